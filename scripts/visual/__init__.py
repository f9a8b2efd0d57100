"""Compares the interface with that of another commit, picture by picture."""
