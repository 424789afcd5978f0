"""The `torch2keras::*` operators that keep recurrences, attention and Fourier transforms whole."""
