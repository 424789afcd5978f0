"""What forward keeps from call to call, or draws at random, as inputs and outputs of a module."""
