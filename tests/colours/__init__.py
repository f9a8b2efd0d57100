"""Tiny models that name the colour of a picture: trained here, and small enough for every test.

They are no part of the zoo, whose models are all made anew when one of its files changes.
"""
