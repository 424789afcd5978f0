"""Lowerings of the ops behind torch.nn's layers, one family a file."""
