"""The converted model against the module."""
