"""Faults of Keras, TensorFlow and Triton, one a file: its version, its symptom, and a way out."""
