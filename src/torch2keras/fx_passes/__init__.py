"""Passes over torch.fx graphs.

Each takes a GraphModule and gives a new one, and never changes what it was given.
"""
