"""`build`, the function of generated code that makes the whole model, and what it takes."""
