"""Files of weights of any library, and their names as a module has them."""
