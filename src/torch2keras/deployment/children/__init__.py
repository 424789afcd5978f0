"""Scripts that run a file's runtime in a process of its own, which may die without harm.

None of them imports this package, PyTorch or Keras: what they run is the file alone.
"""
