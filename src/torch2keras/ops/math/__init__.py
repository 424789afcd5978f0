"""Lowerings of mathematical functions, one family a file."""
