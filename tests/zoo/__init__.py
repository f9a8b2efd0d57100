"""Tiny checkpoints in the layout of the real repositories, random or trained."""
