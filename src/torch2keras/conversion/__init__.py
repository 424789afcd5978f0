"""One conversion: its record, its ports, its weights."""
