"""Drops the oldest turns of a conversation that does not fit."""

from collections.abc import Callable, Sequence

from mlx_gui.core.generation import Message


def without_oldest(
    messages: Sequence[Message], fits: Callable[[Sequence[Message]], bool]
) -> Sequence[Message]:
    """The messages less as few of the oldest turns as make them fit, or as many as may go.

    A turn is what a user says and all up to the next user's: a call and its result stay together.
    System messages and the last turn always stay.
    """
    turns = _turns(messages)
    fewest, most = 0, max(0, len(turns) - 1)
    while fewest < most:
        middle = (fewest + most) // 2
        if fits(_kept(messages, turns, middle)):
            most = middle
        else:
            fewest = middle + 1
    return _kept(messages, turns, fewest)


def _turns(messages: Sequence[Message]) -> list[list[int]]:
    """The places of the messages of each turn."""
    turns: list[list[int]] = []
    for place, message in enumerate(messages):
        if message.role == "system":
            continue
        follows_user = bool(turns) and messages[turns[-1][-1]].role == "user"
        if not turns or (message.role == "user" and not follows_user):
            turns.append([])
        turns[-1].append(place)
    return turns


def _kept(
    messages: Sequence[Message], turns: Sequence[Sequence[int]], dropped: int
) -> list[Message]:
    gone = {place for turn in turns[:dropped] for place in turn}
    return [message for place, message in enumerate(messages) if place not in gone]
