"""Prose of any length that no cache has seen."""

import random

_WHO = ("captain", "cook", "doctor", "first mate", "sailor", "cabin boy", "carpenter", "pilot")
_DID = ("found", "lost", "mended", "drew", "counted", "carried", "painted", "sold", "hid", "kept")
_WHAT = ("the lamp", "a map", "two ropes", "the old bell", "three barrels", "a green bird")
_WHERE = ("below the ice", "on deck", "near the island", "at dawn", "in the storm", "by the mast")


def story(number: int, sentences: int) -> str:
    """The beginning of story `number`, about 17 tokens a sentence, and the wish to go on."""
    dice = random.Random(number)
    told = [
        f"The {dice.choice(_WHO)} {dice.choice(_DID)} {dice.choice(_WHAT)} {dice.choice(_WHERE)}"
        f" and the {dice.choice(_WHO)} {dice.choice(_DID)} {dice.choice(_WHAT)}."
        for _ in range(sentences)
    ]
    return f"Story {number}. {' '.join(told)} Go on with this story."
