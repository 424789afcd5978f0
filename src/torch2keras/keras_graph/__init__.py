"""The Keras model as data, its passes, names, nesting and source code."""
