"""Axes of values and the order in which they are stored, chosen for all values at once."""
