"""torch2keras: a PyTorch module as the Keras 3 model that a careful Keras engineer would have written, verified."""
