"""KV of earlier sequences, kept so that a prompt that begins alike need not be read again.

Entries are found by their tokens, and by the digests of what these do not tell: every picture is
the same run of ids. What was computed of a picture is kept besides, found by its digest alone. All
belong to a tenant: what one sends can never be told from another's timing. The bytes are bounded;
whatever was used least recently goes first.
"""

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from mlx_gui.engines.text.decoding import State
from mlx_gui.engines.text.inputs import Digest, Imprint, begun_before
from mlx_gui.engines.text.mlx_lm import can_trim_prompt_cache, trim_prompt_cache

_MAX_ENTRIES = 256
"""A prompt is compared with all of them."""

_REMEMBERED_EVICTIONS = 32

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Found:
    """The state to go on from, None without any; `miss` says why it holds no more of the prompt.

    `miss` is empty where all of the prompt was there but its last token, which is always fed.
    """

    state: State | None
    miss: str


@dataclass(frozen=True, slots=True)
class _Key:
    """What a sequence is found by."""

    tokens: Tokens
    imprints: Sequence[Imprint]

    def common(self, other: "_Key") -> tuple[int, bool]:
        """The number of tokens that both begin with, and whether a picture ends that."""
        length = min(len(self.tokens), len(other.tokens))
        different = np.flatnonzero(self.tokens[:length] != other.tokens[:length])
        alike = int(different[0]) if len(different) else length
        for one, another in zip_longest(self.imprints, other.imprints):
            if one != another:
                start = min(each.start for each in (one, another) if each is not None)
                return min(alike, start), start < alike
        return alike, False


@dataclass(slots=True, eq=False)
class _Entry:
    tenant: str
    key: _Key
    state: State
    used: int


@dataclass(slots=True, eq=False)
class _Picture:
    name: tuple[str, Digest]
    values: mx.array
    used: int


class PrefixCache:
    """See the module. Belongs to the main thread; nothing is kept where `max_bytes` is 0."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: list[_Entry] = []
        self._pictures: dict[tuple[str, Digest], _Picture] = {}
        self._evicted: deque[tuple[str, _Key]] = deque(maxlen=_REMEMBERED_EVICTIONS)
        self._bytes = 0
        self._uses = 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def find(self, tenant: str, prompt: list[int], imprints: Sequence[Imprint] = ()) -> Found:
        """The longest beginning of `prompt` that is there, up to all but its last token.

        `imprints` are of what stands in it besides. The state is a copy, to be fed on: arrays are
        shared until one side writes.
        """
        if not self._max_bytes:
            return Found(None, "the prefix cache is off")
        wanted = _Key(np.asarray(prompt, np.int32), imprints)
        most = len(prompt) - 1
        best: _Entry | None = None
        best_tokens = stuck = 0
        nearest = (0, False)
        for entry in self._entries:
            if entry.tenant != tenant:
                continue
            common = entry.key.common(wanted)
            nearest = max(nearest, common)
            usable = min(common[0], most)
            if usable < len(entry.key.tokens) and not can_trim_prompt_cache(entry.state.cache):
                stuck = max(stuck, usable)
                usable = 0
            if usable > best_tokens:
                best, best_tokens = entry, usable
        miss = self._miss(tenant, wanted, best_tokens, nearest=nearest, stuck=stuck)
        if best is None:
            return Found(None, miss)
        best.used = self._use()
        return Found(_beginning(best.state, best_tokens), miss)

    def put(self, tenant: str, state: State) -> None:
        """Keep `state`, in place of those that it makes superfluous. Evaluates its arrays."""
        key = _Key(np.asarray(state.tokens, np.int32), state.imprints)
        count = len(key.tokens)
        if not count or state.bytes > self._max_bytes:
            return
        trimmable = can_trim_prompt_cache(state.cache)
        for entry in [each for each in self._entries if each.tenant == tenant]:
            covered = entry.key.common(key)[0] == len(entry.key.tokens)
            if covered and (trimmable or len(entry.key.tokens) == count):
                self._drop(entry)
        self._shrink_to(self._max_bytes - state.bytes, _MAX_ENTRIES - 1)
        # Unevaluated, it would hold on to the arrays of the whole batch that it was taken from.
        mx.eval([layer.state for layer in state.cache])
        self._entries.append(_Entry(tenant, key, state, self._use()))
        self._bytes += state.bytes

    def picture(self, tenant: str, digest: Digest) -> mx.array | None:
        """What was computed of a picture, [tokens, values]; None where nothing is kept."""
        found = self._pictures.get((tenant, digest))
        if found is None:
            return None
        found.used = self._use()
        return found.values

    def put_picture(self, tenant: str, digest: Digest, values: mx.array) -> None:
        """Keep what was computed of a picture; `values` are evaluated."""
        name = tenant, digest
        if values.nbytes > self._max_bytes or name in self._pictures:
            return
        self._shrink_to(self._max_bytes - values.nbytes)
        self._pictures[name] = _Picture(name, values, self._use())
        self._bytes += values.nbytes

    def reclaim(self, wanted_bytes: int) -> int:
        """Evict until `wanted_bytes` came back or nothing is left; returns the bytes given up."""
        before = self._bytes
        self._shrink_to(max(before - wanted_bytes, 0))
        return before - self._bytes

    def _use(self) -> int:
        self._uses += 1
        return self._uses

    def _shrink_to(self, limit_bytes: int, limit_entries: int = _MAX_ENTRIES) -> None:
        while len(self._entries) > limit_entries:
            self._evict(min(self._entries, key=lambda each: each.used))
        while self._bytes > limit_bytes:
            kept = [*self._entries, *self._pictures.values()]
            self._evict(min(kept, key=lambda each: each.used))

    def _evict(self, kept: _Entry | _Picture) -> None:
        if isinstance(kept, _Picture):
            del self._pictures[kept.name]
            self._bytes -= kept.values.nbytes
        else:
            self._evicted.append((kept.tenant, kept.key))
            self._drop(kept)

    def _drop(self, entry: _Entry) -> None:
        self._entries.remove(entry)
        self._bytes -= entry.state.bytes

    def _miss(
        self, tenant: str, wanted: _Key, found: int, *, nearest: tuple[int, bool], stuck: int
    ) -> str:
        """Why no more than `found` tokens were there."""
        if found == len(wanted.tokens) - 1:
            return ""
        common, by_picture = nearest
        gone = (key.common(wanted)[0] for owner, key in self._evicted if owner == tenant)
        if max(gone, default=0) > max(found, common):
            return "evicted"
        if stuck > found:
            return f"not trimmable to {stuck} tokens"
        if by_picture:
            return f"another picture at token {common}"
        if not common:
            return "nothing that begins alike"
        return f"first difference at token {common}"


def _beginning(state: State, tokens: int) -> State:
    """A copy of the first `tokens` of `state`, which can be trimmed if that is not all of it."""
    cache = copy.deepcopy(state.cache)
    trim_prompt_cache(cache, len(state.tokens) - tokens)
    return State(state.tokens[:tokens], cache, begun_before(state.imprints, tokens))
