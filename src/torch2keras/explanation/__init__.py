"""The Keras code for one PyTorch layer, with a reason for each argument."""
