"""Lowerings that make, take apart and join tensors, one family a file."""
