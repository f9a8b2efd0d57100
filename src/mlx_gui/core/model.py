"""Models as plain data: what lies on disk, what exactly is resident, what it needs."""

import hashlib
from typing import Any, Literal

import msgspec

from mlx_gui.core.generation import Reasoning, Sampling
from mlx_gui.core.licence import Licence

Kind = str
"""The name of a row of `kinds/registry.py:KINDS`, like `text`."""
Capability = Literal[
    "chat",
    "completion",
    "tools",
    "thinking",
    "fill_in_the_middle",
    "vision",
    "embedding",
    "reranking",
    "transcription",
    "translation",
    "speech",
]
WeightForm = Literal["stored", "float32", "float32-scales"]
"""How the engine holds weights: as stored; dense float32; packed with float32 scales and biases."""


class SlidingWindow(msgspec.Struct, frozen=True):
    """Layers that keep only the last `tokens`, and what all of them take for each."""

    tokens: int
    bytes_per_token: int


class KVLayout(msgspec.Struct, frozen=True):
    """What the caches of one sequence hold, by how they grow; values are counted with 16 bits.

    `bytes_per_token` is of the layers that keep every token. `state_bytes` is of recurrent layers,
    the same however long the sequence gets; `wide_state_bytes` is more of it, of values that have
    32 bits whatever the model computes with.
    """

    bytes_per_token: int = 0
    windows: tuple[SlidingWindow, ...] = ()
    state_bytes: int = 0
    wide_state_bytes: int = 0
    layers: int = 1
    """Those that have a cache."""
    batched: bool = True
    """Whether the caches of several sequences can be put together."""


class KindFacts:
    """What the files of a model say that means something for its kind alone."""

    __slots__ = ()


class TextFacts(KindFacts, msgspec.Struct, frozen=True):
    """What the files of a text model say.

    `activations_per_token` counts the values that one layer holds for a token while a prompt is
    read, `attended_values` those that it makes then of each token of the context, beside its KV.
    """

    context_length: int | None
    kv: KVLayout
    has_chat_template: bool = False
    activations_per_token: int = 0
    vocabulary_size: int | None = None
    attention_heads: int = 0
    head_size: int = 0
    attended_values: int = 0
    tokenizer_bytes: int = 0
    """The size of tokenizer.json."""


class ModelFacts(msgspec.Struct, frozen=True):
    """What the files of a model folder say, read without loading anything.

    `parameter_count` counts the unpacked parameters, `stored_bytes` the tensors on disk,
    `float16_bytes` those of them that are 16-bit floats, scales and biases included,
    `largest_tensor_parameters` the unpacked parameters of the largest one. `own` is what only the
    kind has.
    """

    kind: Kind
    model_type: str
    capabilities: tuple[Capability, ...]
    parameter_count: int
    stored_bytes: int
    largest_tensor_parameters: int
    own: KindFacts
    quantization: str | None = None
    float16_bytes: int = 0

    @property
    def text(self) -> TextFacts | None:
        """What only a text model has; None for one of another kind."""
        return self.own if isinstance(self.own, TextFacts) else None

    @property
    def context_length(self) -> int | None:
        """Tokens that a text model was made for; None where that means nothing or nobody says."""
        return None if self.text is None else self.text.context_length


class Model(msgspec.Struct, frozen=True):
    """An installed model: its id, where it lies, and what its files say.

    `problem` is the sentence why it cannot be served, None exactly if it can; `facts` are there
    whenever the files could be read, so an unsupported model may have both.
    """

    id: str
    path: str
    facts: ModelFacts | None
    problem: str | None
    disk_bytes: int
    discovered_at: str
    adapter: str | None = None
    """The folder of a LoRA adapter; the id is then `base+adapter`, and `path` the base's."""
    base: str | None = None
    """The id of the model that the adapter is applied to."""
    adapter_bytes: int = 0
    """What the adapter's weights take in 32 bits."""
    copies: tuple[str, ...] = ()
    """Other folders with the same weights."""
    licence: Licence | None = None
    """What its folder names; of one with an adapter, the adapter's."""
    away: bool = False
    """Whether its disk is not there; the rest is what it was when it was seen last."""


class KindOptions:
    """How a model of one kind is loaded and asked: a tagged struct of that kind.

    `slots` of them are answered together: sequences of a text model, requests of others.
    `kinds/registry.py:KINDS` knows them all, so that messages can carry any of them.
    """

    __slots__ = ()
    slots: int

    def sized_by(self) -> tuple[object, ...]:
        """What of them the size of a freshly loaded worker depends on; must encode as JSON."""
        return ()


class TextOptions(KindOptions, msgspec.Struct, frozen=True, tag="text"):
    """How a text model is loaded and asked; what a request leaves open, these decide.

    `context` bounds prompt plus answer in tokens, `slots` the sequences decoded together,
    `kv_pool_tokens` what these may hold together (no less than one context), and
    `prefix_cache_bytes` the KV of earlier requests that is kept for reuse. `adapter` and `draft`
    are folders. `kv_bits` holds the KV cache quantized. `template` is a Jinja
    chat template in place of the model's own. `tool_prompt` says what becomes of tools where the
    template knows none. With `truncate` the oldest turns of too long a conversation are dropped.
    """

    context: int = 0
    slots: int = 1
    kv_pool_tokens: int = 0
    prefix_cache_bytes: int = 0
    adapter: str | None = None
    draft: str | None = None
    draft_tokens: int = 3
    kv_bits: Literal[4, 8] | None = None
    template: str | None = None
    template_arguments: dict[str, Any] = {}
    tool_prompt: Literal["generic", "refuse"] = "generic"
    truncate: bool = False
    sampling: Sampling = Sampling()
    reasoning: Reasoning = Reasoning()

    def sized_by(self) -> tuple[object, ...]:
        """Pools, slots and what requests are answered with are left out: a correction may change
        the pools, and must find the same measurement again."""
        return self.adapter, self.draft


class LoadSpec(msgspec.Struct, frozen=True):
    """What exactly is resident. Two requests share a worker exactly if their specs are equal."""

    model_id: str
    path: str
    kind: Kind
    engine: str
    weight_form: WeightForm
    options: KindOptions

    @property
    def text(self) -> TextOptions:
        """The options of a text model, which this must be."""
        assert isinstance(self.options, TextOptions), f"{self.model_id} is of kind {self.kind}"
        return self.options

    @property
    def context(self) -> int | None:
        """Tokens of prompt and answer together; None where that means nothing."""
        return self.options.context if isinstance(self.options, TextOptions) else None

    def key(self) -> str:
        """A short stable digest of what a freshly loaded worker's size depends on.

        Measurements are stored under it.
        """
        parts = (self.path, self.kind, self.engine, self.weight_form)
        sized = (*parts, *self.options.sized_by())
        return hashlib.sha256(msgspec.json.encode(sized)).hexdigest()[:16]


class Loaded(msgspec.Struct, frozen=True):
    """What an engine says of what it has loaded.

    `serial_because` says why it answers one request after the other, None where several run
    together.
    """

    serial_because: str | None = None


class MemoryNeed(msgspec.Struct, frozen=True):
    """Bytes that a LoadSpec takes once it is loaded, and at the worst moment of loading.

    `overhead_bytes` is what the process takes without a model, `process_bytes`, what MLX needs for
    a moment while it computes, and what it keeps of that for the next time, `cached_bytes`; what
    the process holds of requests beside MLX, `requests_bytes`; and what processes of the worker
    take that read what requests bring, `readers_bytes`. `load_peak_bytes` includes the process too.
    """

    weights_bytes: int
    kv_bytes: int
    overhead_bytes: int
    load_peak_bytes: int
    prefix_bytes: int = 0
    process_bytes: int = 0
    cached_bytes: int = 0
    requests_bytes: int = 0
    readers_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.prefix_bytes + self.overhead_bytes

    @property
    def mlx_bytes(self) -> int:
        """What of it MLX counts as in use."""
        beside_bytes = self.process_bytes + self.requests_bytes + self.readers_bytes
        return self.total_bytes - beside_bytes - self.cached_bytes


class MemoryUse(msgspec.Struct, frozen=True):
    """What a worker measured of itself: MLX's own counters and the process's resident set.

    `kv_bytes` of the running sequences and `prefix_bytes` of earlier ones are part of the active.
    `load_peak_bytes` is the most that MLX held while the model was loaded, `peak_bytes` since then,
    `peak_rss_bytes` the largest resident set since the process began; 0 where nobody measures it.
    """

    active_bytes: int
    cache_bytes: int
    peak_bytes: int
    rss_bytes: int
    kv_bytes: int = 0
    prefix_bytes: int = 0
    load_peak_bytes: int = 0
    peak_rss_bytes: int = 0
