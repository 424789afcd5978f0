"""What an op declares of itself: patterns, costs, the registry of lowerings."""
