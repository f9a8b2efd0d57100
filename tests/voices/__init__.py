"""A tiny Pocket TTS with random weights: what it says is noise, as long as it is told to be.

It is no part of the zoo, whose models are all made anew when one of its files changes.
"""
