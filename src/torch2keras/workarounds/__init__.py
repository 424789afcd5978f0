"""Faults of Keras, TensorFlow and Triton, one a file: its version, its symptom, and what is done about it."""
