"""What trains a converted model as PyTorch trained the module: optimizer and loss."""
