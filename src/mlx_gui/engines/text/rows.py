"""Sequences of one model that are computed together: the rows of one cache.

All that is asked of mlx-lm's caches for it is here, and is what they offer to everybody. The
members of single sequences, one a layer, `merge`; a merged one is told of padding at the right
before a call (`prepare`) and freed of it after (`finalize`), rows are taken from it (`filter`,
`extract`), and others join it (`extend`).
"""

import copy
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

import mlx.core as mx

from mlx_gui.engines.text.caches import adopt, new_cache
from mlx_gui.engines.text.decoding import Feed, State
from mlx_gui.engines.text.inputs import begun_before
from mlx_gui.engines.text.mlx_lm import StopSequences, TokenBuffer
from mlx_gui.engines.text.network import Network


@dataclass(slots=True, eq=False)
class Row:
    """A sequence: `tokens` are in its cache, `rest` of the prompt is still to be fed.

    `ends` and `seen` follow what it writes: for its end, and for its processors.
    """

    key: int
    feed: Feed
    tokens: list[int]
    rest: list[int]
    ends: StopSequences.Matcher
    written_tokens: int = 0
    seen: TokenBuffer | None = None

    @classmethod
    def of(cls, key: int, feed: Feed) -> "Row":
        """A sequence of which nothing is fed yet but what the state of `feed` holds."""
        held = list(feed.state.tokens) if feed.state is not None else []
        return cls(key, feed, held, list(feed.rest), feed.end_tokens.matcher())

    @property
    def unread(self) -> int:
        """Tokens before the prompt's last one, which may be fed by itself: an answer begins so."""
        return max(len(self.rest) - 1, 0)

    def next_chunk(self, longest: int) -> int:
        """Tokens to read next without the prompt's last one, which never go beyond a cut."""
        ahead = [cut - len(self.tokens) for cut in self.feed.boundaries if cut > len(self.tokens)]
        return min(longest, self.unread, *ahead)

    def take(self, count: int, *, with_last: bool) -> list[int]:
        """Take the next `count` of `rest`, which are fed now; returns them.

        The prompt's last token goes along if it is next, where `with_last` allows that and no
        state is wanted between them.
        """
        if (
            with_last
            and count == self.unread
            and len(self.tokens) + count not in self.feed.boundaries
        ):
            count += 1
        chunk = self.rest[:count]
        del self.rest[:count]
        self.tokens += chunk
        return chunk


class Rows:
    """See the module. `cache` has one member a layer, and none while there are no rows."""

    def __init__(
        self, network: Network, rows: Iterable[Row] = (), cache: Iterable[Any] = ()
    ) -> None:
        self.rows = list(rows)
        self._network = network
        self._cache = list(cache)

    @classmethod
    def alone(cls, network: Network, row: Row) -> "Rows":
        """Nothing but `row`, with what its state holds."""
        state = row.feed.state
        layers = new_cache(network.model) if state is None else map(adopt, state.cache)
        return cls(network, [row], [layer.merge([layer]) for layer in layers])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def bytes(self) -> int:
        return sum(layer.nbytes for layer in self._cache)

    # --- who is there ---------------------------------------------------------------------------

    def state(self, place: int) -> State | None:
        """A copy of what the cache holds of a row, computed when it is evaluated; None if nothing.

        Later tokens of the row are not in it.
        """
        row = self.rows[place]
        if not row.tokens:
            return None
        cache = [layer.extract(place) for layer in self._cache]
        return State(
            list(row.tokens), cache, begun_before(row.feed.inputs.imprints, len(row.tokens))
        )

    def join(self, others: "Rows") -> None:
        """Take the rows of `others`, which is not used any more."""
        if self.rows and others.rows:
            for ours, theirs in zip(self._cache, others._cache, strict=True):
                ours.extend(theirs)
        elif others.rows:
            self._cache = others._cache
        self.rows += others.rows

    def keep(self, places: Sequence[int]) -> None:
        """Let go of all rows but those of `places`."""
        if len(places) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in places]
        if not places:
            self._cache = []
        for layer in self._cache:
            layer.filter(list(places))

    def remove(self, keys: Set[int]) -> dict[int, State]:
        """Let rows go; returns the states of those that have one."""
        leaving = [place for place, row in enumerate(self.rows) if row.key in keys]
        states = {self.rows[place].key: self.state(place) for place in leaving}
        self.keep([place for place, row in enumerate(self.rows) if row.key not in keys])
        return {key: state for key, state in states.items() if state is not None}

    def part(self, keys: Iterable[int]) -> "Rows":
        """Let go of the rows of `keys`, which go on by themselves."""
        wanted = set(keys)
        leaving = [place for place, row in enumerate(self.rows) if row.key in wanted]
        staying = [place for place, row in enumerate(self.rows) if row.key not in wanted]
        # Arrays are shared until one side changes its rows.
        cache = copy.deepcopy(self._cache) if staying else self._cache
        parted = Rows(self._network, self.rows, cache)
        self.keep(staying)
        parted.keep(leaving)
        return parted

    # --- computing ------------------------------------------------------------------------------

    def feed(self, tokens: mx.array) -> mx.array:
        """Logits [rows, tokens, vocabulary] after each of `tokens` [rows, tokens].

        They follow what the rows hold. Nothing is computed before they are evaluated.
        """
        return self._fed(tokens, [len(row.tokens) for row in self.rows])

    def read(
        self, counts: Sequence[int], *, logits: Literal["last", "all", "none"] = "last"
    ) -> mx.array | None:
        """Feed so many tokens of each row's `rest`, and evaluate the cache; returns logits.

        The "last" are [rows, 1, vocabulary], each after what its row was fed. With them a prompt's
        last token is fed as soon as it is next, and there are none before the first such one, nor
        where the head cannot make these alone. "all" are [rows, longest, vocabulary], without the
        prompts' last.
        """
        with_last = logits == "last" and self._network.head.selective
        starts = [len(row.tokens) for row in self.rows]
        chunks = [
            row.take(count, with_last=with_last)
            for row, count in zip(self.rows, counts, strict=True)
        ]
        lengths = [len(chunk) for chunk in chunks]
        longest = max(lengths)
        padding = [longest - length for length in lengths]
        tokens = mx.array([[*chunk, *([0] * n)] for chunk, n in zip(chunks, padding, strict=True)])
        if any(padding):
            for layer in self._cache:
                layer.prepare(lengths=lengths, right_padding=padding)
        made: mx.array | None = None
        if any(not row.rest for row in self.rows):
            with self._network.head.only([length - 1 for length in lengths]):
                made = self._fed(tokens, starts)
        elif logits == "all":
            made = self._fed(tokens, starts)
        else:
            # Who keeps logits that nobody evaluates keeps memory of what leads to them.
            self._fed(tokens, starts)
        self._settle()
        if any(padding):
            for layer in self._cache:
                layer.finalize()
            self._settle()
        return made

    def feed_last(self) -> mx.array:
        """Feed the last token of each prompt, all that is left; returns logits as `feed` does."""
        logits = self.feed(mx.array([row.rest for row in self.rows]))
        for row in self.rows:
            row.take(1, with_last=False)
        return logits

    def _fed(self, tokens: mx.array, starts: Sequence[int]) -> mx.array:
        """Logits after each of `tokens` [rows, tokens], which are the rows' from `starts` on."""
        inputs = [row.feed.inputs for row in self.rows]
        return self._network(tokens, self._cache, inputs=inputs, starts=starts)

    def _settle(self) -> None:
        """Compute what the cache is to hold, and give back what that took."""
        mx.eval([layer.state for layer in self._cache])
        mx.clear_cache()
