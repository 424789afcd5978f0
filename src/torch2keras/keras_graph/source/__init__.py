"""KerasGraph to Python: the source code that a Keras engineer would have written."""
