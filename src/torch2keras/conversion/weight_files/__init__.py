"""The map of weights within a saved model: as data, and both ways without the module."""
