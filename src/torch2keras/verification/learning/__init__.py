"""The module and the model in training: switched to it, moved on the same batches, compared."""
