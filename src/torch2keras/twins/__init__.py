"""A Keras twin written by hand: matched with its module, compared, and given its weights."""
