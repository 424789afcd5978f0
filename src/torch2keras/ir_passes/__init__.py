"""Passes over the typed graph: each takes a Graph and gives a new one."""
