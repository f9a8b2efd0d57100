"""KV of earlier sequences, kept so that a prompt that begins alike need not be read again.

Entries are found by their tokens and belong to a tenant: what one sends can never be told from
another's timing. The bytes are bounded; the least recently used entry goes first.
"""

import copy
from collections import deque
from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from mlx_gui.engines.text.decoding import State
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


@dataclass(slots=True, eq=False)
class _Entry:
    tenant: str
    tokens: Tokens
    state: State
    used: int


class PrefixCache:
    """See the module. Belongs to the main thread; nothing is kept where `max_bytes` is 0."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: list[_Entry] = []
        self._evicted: deque[tuple[str, Tokens]] = deque(maxlen=_REMEMBERED_EVICTIONS)
        self._bytes = 0
        self._uses = 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def find(self, tenant: str, prompt: list[int]) -> Found:
        """The longest beginning of `prompt` that is there, up to all but its last token.

        The state is a copy, to be fed on: arrays are shared until one side writes.
        """
        if not self._max_bytes:
            return Found(None, "the prefix cache is off")
        wanted = np.asarray(prompt, np.int32)
        most = len(prompt) - 1
        best: _Entry | None = None
        best_tokens = nearest = stuck = 0
        for entry in self._entries:
            if entry.tenant != tenant:
                continue
            common = _common(entry.tokens, wanted)
            nearest = max(nearest, common)
            usable = min(common, most)
            if usable < len(entry.tokens) and not can_trim_prompt_cache(entry.state.cache):
                stuck = max(stuck, usable)
                usable = 0
            if usable > best_tokens:
                best, best_tokens = entry, usable
        miss = self._miss(tenant, wanted, best_tokens, nearest=nearest, stuck=stuck)
        if best is None:
            return Found(None, miss)
        self._uses += 1
        best.used = self._uses
        return Found(_beginning(best.state, best_tokens), miss)

    def put(self, tenant: str, state: State) -> None:
        """Keep `state`, in place of those that it makes superfluous. Evaluates its arrays."""
        tokens = np.asarray(state.tokens, np.int32)
        if not len(tokens) or state.bytes > self._max_bytes:
            return
        trimmable = can_trim_prompt_cache(state.cache)
        for entry in [each for each in self._entries if each.tenant == tenant]:
            covered = _common(entry.tokens, tokens) == len(entry.tokens)
            if covered and (trimmable or len(entry.tokens) == len(tokens)):
                self._drop(entry)
        self._shrink_to(self._max_bytes - state.bytes, _MAX_ENTRIES - 1)
        # Unevaluated, it would hold on to the arrays of the whole batch that it was taken from.
        mx.eval([layer.state for layer in state.cache])
        self._uses += 1
        self._entries.append(_Entry(tenant, tokens, state, self._uses))
        self._bytes += state.bytes

    def reclaim(self, wanted_bytes: int) -> int:
        """Evict until `wanted_bytes` came back or nothing is left; returns the bytes given up."""
        before = self._bytes
        self._shrink_to(max(before - wanted_bytes, 0))
        return before - self._bytes

    def _shrink_to(self, limit_bytes: int, limit_entries: int = _MAX_ENTRIES) -> None:
        while self._bytes > limit_bytes or len(self._entries) > limit_entries:
            oldest = min(self._entries, key=lambda entry: entry.used)
            self._evicted.append((oldest.tenant, oldest.tokens))
            self._drop(oldest)

    def _drop(self, entry: _Entry) -> None:
        self._entries.remove(entry)
        self._bytes -= entry.state.bytes

    def _miss(self, tenant: str, wanted: Tokens, found: int, *, nearest: int, stuck: int) -> str:
        """Why no more than `found` tokens were there."""
        if found == len(wanted) - 1:
            return ""
        gone = (_common(tokens, wanted) for owner, tokens in self._evicted if owner == tenant)
        if max(gone, default=0) > max(found, nearest):
            return "evicted"
        if stuck > found:
            return f"not trimmable to {stuck} tokens"
        if not nearest:
            return "nothing that begins alike"
        return f"first difference at token {nearest}"


def _common(a: Tokens, b: Tokens) -> int:
    """The number of tokens that both begin with."""
    length = min(len(a), len(b))
    different = np.flatnonzero(a[:length] != b[:length])
    return int(different[0]) if len(different) else length


def _beginning(state: State, tokens: int) -> State:
    """A copy of the first `tokens` of `state`, which can be trimmed if that is not all of it."""
    cache = copy.deepcopy(state.cache)
    trim_prompt_cache(cache, len(state.tokens) - tokens)
    shown = tuple(each for each in state.shown if each.start < tokens)
    return State(state.tokens[:tokens], cache, shown)
