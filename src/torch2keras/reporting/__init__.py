"""What became of each module and op, as facts and as text."""
