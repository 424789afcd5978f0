"""A converted model over many devices: how each of its weights is divided."""
