"""What every stage needs of the process: isolation of global state, arrays, progress."""
