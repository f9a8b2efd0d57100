"""Decodes many sequences together: which of them read, and when; which of them write.

All rows of a batch are as long as the longest, so the cache takes rows times that length, and what
it has to spare before it grows again. It stays within a pool of tokens: a sequence waits until
there is room for its prompt and the beginning of its answer, and where the answers outgrow the pool
the youngest one waits again. What it had is read anew later; its answer goes on as if nothing had
been.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from itertools import islice

import mlx.core as mx

from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.engines.text.decoding import Fed, Feed, Sampled, State
from mlx_gui.engines.text.network import Network
from mlx_gui.engines.text.rows import Row, Rows
from mlx_gui.engines.text.writing import Writing

_EXPECTED_TOKENS = 256
"""Of an answer that may be longer, so many are made room for in advance."""

SMALLEST_ROW = 256
"""KV caches grow by so many tokens, and have up to one less to spare."""

_STEPS_UNTIL_CLEARED = 512


class BatchDecoder:
    """See `decoding.Decoder`. Sequences join and leave the rows between steps.

    A step reads at most `prefill_tokens`, padding included, of one or several prompts. While more
    of them wait than sequences write, it reads so many of each of `crowd`: the few streams are held
    up for the many, and prompts that are complete together write together. A prompt that is longer
    than all that is read by the single chunk, whoever waits.

    Prompts that are read apart take turns with all others: logits of every token are not made for
    whoever is read beside them.
    """

    def __init__(
        self,
        network: Network,
        *,
        slots: int,
        prefill_tokens: int,
        crowd: int,
        pool_tokens: int,
    ) -> None:
        self._network = network
        self._slots = slots
        self._prefill_tokens = prefill_tokens
        self._crowd = crowd
        self._pool_tokens = pool_tokens
        self._waiting: deque[tuple[int, Feed]] = deque()
        self._rows: dict[int, Row] = {}
        self._reading = Rows(network)
        self._apart: deque[Rows] = deque()
        self._writing = Writing(Rows(network))
        self._next_key = 0
        self._steps = 0

    def add(self, feeds: Iterable[Feed]) -> list[int]:
        keys: list[int] = []
        for feed in feeds:
            if feed.inputs.given and self._network.embed is None:
                raise CapabilityMissing(
                    "This model reads tokens only.", hint="Take a model that reads embeddings."
                )
            self._next_key += 1
            self._waiting.append((self._next_key, feed))
            keys.append(self._next_key)
        return keys

    def step(self) -> tuple[list[Fed], list[Sampled]]:
        # One that is a token short of its most ends with what is there: a step would compute one
        # more, which nobody asked for and the next prompt would wait for.
        sampled = [*self._ahead(self._writing.last()), *self._make_room()]
        told = self._writing.told
        sampled += self._forget(self._writing.step())
        self._steps += 1
        if self._steps % _STEPS_UNTIL_CLEARED == 0:
            mx.clear_cache()
        fed = self._take_turns()
        if fed:
            # So an answer begins in the step that completes its prompt, and goes on while others
            # are read. The next step would tell these tokens too, but it hands over its own work
            # first, and on a processor MLX takes that only when nearly all before it is done: a
            # step too late.
            sampled += self._ahead(told | {each.key for each in fed})
        return fed, sampled

    def remove(self, keys: Iterable[int]) -> Mapping[int, State]:
        wanted = set(keys)
        self._waiting = deque(each for each in self._waiting if each[0] not in wanted)
        states: dict[int, State] = {}
        for rows in (self._reading, *self._apart, self._writing):
            states |= rows.remove(wanted)
        self._apart = deque(rows for rows in self._apart if len(rows))
        self._rows = {key: row for key, row in self._rows.items() if key not in wanted}
        return states

    def bytes(self) -> int:
        return sum(rows.bytes for rows in (self._reading, *self._apart, self._writing))

    def close(self) -> None:
        self._waiting.clear()
        self._rows.clear()
        self._apart.clear()
        self._reading = Rows(self._network)
        self._writing = Writing(Rows(self._network))

    # --- reading --------------------------------------------------------------------------------

    def _take_turns(self) -> list[Fed]:
        """Feed the next chunk: of prompts that are read apart in every other step, if there are."""
        if self._apart and self._steps % 2:
            return self._read_apart()
        return self._read() or self._read_apart()

    def _read_apart(self) -> list[Fed]:
        """Feed a chunk of each prompt that is read apart, as many as make one chunk together."""
        fed: list[Fed] = []
        left_tokens = self._prefill_tokens
        for rows in list(self._apart):
            (row,) = rows.rows
            scorer = row.feed.scorer
            count = row.next_chunk(scorer.chunk_tokens if scorer else self._prefill_tokens)
            if fed and count > left_tokens:
                break
            left_tokens -= count
            self._apart.popleft()
            logits: mx.array | None = None
            if count and scorer is not None:
                scored = rows.read([count], logits="all")
                assert scored is not None
                scorer.take(scored[0])
            elif count:
                logits = rows.read([count], logits="last" if row.feed.max_tokens else "none")
            fed.append(self._fed(row, rows, 0))
            if row.unread:
                self._apart.append(rows)
            elif row.feed.max_tokens:
                self._writing.begin(rows, None if logits is None else logits[:, -1])
            else:
                del self._rows[row.key]
                fed[-1] = replace(fed[-1], state=rows.state(0), ended=True)
        return fed

    def _read(self) -> list[Fed]:
        """Feed the next chunk of the prompts whose turn it is, and let complete ones write."""
        reading = self._reading
        bound, longest, crowded = self._bounds(reading.rows)
        fed: list[Fed] = []
        while self._waiting and self._has_room_for(self._waiting[0][1]):
            key, feed = self._waiting[0]
            row = Row.of(key, feed)
            if not feed.apart:
                chunks = [each.next_chunk(longest) for each in (*reading.rows, row)]
                if len(chunks) * max(chunks) > bound or (crowded and len(feed.rest) > bound):
                    break
            self._waiting.popleft()
            self._rows[key] = row
            rows = Rows.alone(self._network, row)
            if feed.apart:
                self._apart.append(rows)
            elif row.unread:
                reading.join(rows)
            else:
                fed.append(self._fed(row, rows, 0))
                self._writing.begin(rows)
        if reading.rows:
            logits = reading.read([row.next_chunk(longest) for row in reading.rows])
            fed += [self._fed(row, reading, place) for place, row in enumerate(reading.rows)]
            self._begin(logits)
        return fed

    def _bounds(self, rows: Sequence[Row]) -> tuple[int, int, bool]:
        """Tokens to read in this step, of all and of each prompt, and whether for a crowd."""
        waiting = len(rows) + len(self._waiting)
        crowd_tokens = self._prefill_tokens * self._crowd
        feeds = [row.feed for row in rows] or [feed for _, feed in islice(self._waiting, 1)]
        short = all(len(feed.rest) <= crowd_tokens for feed in feeds)
        if short and waiting > len(self._writing):
            return crowd_tokens, self._prefill_tokens, True
        share = self._prefill_tokens // max(len(rows), min(waiting, 2), 1)
        return self._prefill_tokens, share, False

    def _begin(self, logits: mx.array | None) -> None:
        """Let those of the reading rows write that are complete.

        `logits` [rows, 1, vocabulary] are there if any was fed its last token.
        """
        rows = self._reading.rows
        whole = [place for place, row in enumerate(rows) if not row.rest]
        all_but_last = [row.key for row in rows if len(row.rest) == 1]
        if logits is not None:
            keys = [rows[place].key for place in whole]
            self._writing.begin(self._reading.part(keys), logits[:, -1][mx.array(whole)])
        if all_but_last:
            self._writing.begin(self._reading.part(all_but_last))

    def _fed(self, row: Row, rows: Rows, place: int) -> Fed:
        """How far a row is; the last token of a complete prompt is fed in the same step.

        With what it has left in the cache of `rows`, where that is a boundary.
        """
        read_tokens = len(row.tokens)
        done_tokens = read_tokens + (len(row.rest) == 1)
        if read_tokens not in row.feed.boundaries or read_tokens == row.feed.cached_tokens:
            return Fed(row.key, done_tokens, None)
        return Fed(row.key, done_tokens, rows.state(place))

    # --- writing --------------------------------------------------------------------------------

    def _ahead(self, keys: Set[int]) -> list[Sampled]:
        return self._forget(self._writing.ahead(keys)) if keys else []

    def _forget(self, sampled: list[Sampled]) -> list[Sampled]:
        """Those that have ended take no room any more."""
        for each in sampled:
            if each.finish is not None:
                del self._rows[each.key]
        return sampled

    def _has_room_for(self, feed: Feed) -> bool:
        if not self._rows:
            return True
        longest = max(
            max(len(row.tokens) + 1, _expected_tokens(row.feed)) for row in self._rows.values()
        )
        longest = max(longest, _expected_tokens(feed))
        count = len(self._rows) + 1
        return count <= self._slots and self._holds(count, longest)

    def _holds(self, count: int, longest: int) -> bool:
        """Whether the pool has room for so many rows, each with what its cache has to spare."""
        spare = SMALLEST_ROW - 1
        return count * (longest + spare) <= self._pool_tokens + spare

    def _make_room(self) -> list[Sampled]:
        """Let the youngest wait again until the others' next tokens fit; returns its last token."""
        sampled: list[Sampled] = []
        while len(self._rows) > 1 and self._writing.keys:
            longest = max(len(row.tokens) for row in self._rows.values()) + 1
            if self._holds(len(self._rows), longest):
                break
            sampled += self._pause(max(self._writing.keys))
        return sampled

    def _pause(self, key: int) -> list[Sampled]:
        """Take a row out. Its next token is computed already: that is its last one for now."""
        row = self._rows[key]
        rest, sampled = self._writing.pause(key)
        self._forget(sampled)
        if key in self._rows:
            del self._rows[key]
            # Of what stood in the part that was there already nothing else is left.
            state = row.feed.state if row.feed.inputs.imprints else None
            again = replace(
                row.feed,
                rest=rest if state is None else rest[len(state.tokens) :],
                state=state,
                max_tokens=row.feed.max_tokens - row.written_tokens,
                boundaries=(),
                scorer=None,
            )
            self._waiting.appendleft((key, again))
        return sampled


def _expected_tokens(feed: Feed) -> int:
    """What a sequence is made room for: its prompt, and its answer up to a usual length."""
    return feed.prompt_tokens + min(feed.max_tokens, _EXPECTED_TOKENS)
