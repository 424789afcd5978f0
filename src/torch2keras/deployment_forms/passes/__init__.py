"""Passes over the Keras graph of a file: KerasGraph to KerasGraph."""
