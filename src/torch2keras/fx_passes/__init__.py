"""Passes over torch.fx graphs: each takes a GraphModule and gives a new one, and never changes what it was given."""
