"""Requests whose pictures have to be looked at before they are decoded."""

from collections import deque

import mlx.core as mx

from mlx_gui.engines.text.answering import Answering
from mlx_gui.engines.text.pictures import Glance, Tower
from mlx_gui.engines.text.prefix_cache import PrefixCache


class Looking:
    """They take turns, one picture each; what the `tower` makes of it is kept.

    Without a tower nobody ever comes.
    """

    def __init__(self, tower: Tower | None, prefixes: PrefixCache) -> None:
        self._tower = tower
        self._prefixes = prefixes
        self._waiting: deque[Answering] = deque()
        self._begun: Glance | None = None
        self._just_looked = False

    def add(self, answering: Answering) -> None:
        self._waiting.append(answering)

    def remove(self, answering: Answering) -> None:
        """Let a request go, if it is here; a look that it has begun ends."""
        if answering in self._waiting:
            if answering is self._waiting[0]:
                self._begun = None
            self._waiting.remove(answering)

    def is_next(self, *, others: bool) -> bool:
        """Whether it is time to look, where `others` are decoded: they have every other step."""
        due = bool(self._waiting) and not (others and self._just_looked)
        self._just_looked = due
        return due

    def next(self) -> Answering:
        """Who looks in this step."""
        return self._waiting[0]

    def look(self) -> Answering | None:
        """Look at a part of a picture, and at those that are known; who has seen all, if anybody.

        Raises as the tower does.
        """
        answering = self._waiting[0]
        if self._begun is not None or not self._see_known(answering):
            if not self._see(answering):
                return None
            self._see_known(answering)
        if answering.unseen is None:
            self._waiting.popleft()
            return answering
        self._waiting.rotate(-1)
        return None

    def _see_known(self, answering: Answering) -> bool:
        """Take in the next pictures as far as they are kept; whether there were any."""
        seen = False
        while (picture := answering.unseen) is not None:
            values = self._prefixes.picture(answering.tenant, picture.digest)
            if values is None:
                break
            answering.see(values)
            seen = True
        return seen

    def _see(self, answering: Answering) -> bool:
        """Go on with the next picture; whether that was its last part."""
        picture = answering.unseen
        assert self._tower is not None, "a model that does not see is shown nothing"
        assert picture is not None, "who has seen all does not wait"
        # A look that fails is not gone on with.
        glance, self._begun = self._begun or self._tower(picture), None
        try:
            next(glance)
        except StopIteration as ended:
            values: mx.array = ended.value
        else:
            self._begun = glance
            return False
        self._prefixes.put_picture(answering.tenant, picture.digest, values)
        answering.see(values)
        return True
