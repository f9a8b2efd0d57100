"""The canonical request and its event stream.

No API family's shape passes this border: each family translates its JSON into a `GenerateRequest`
and the stream of `GenerationEvent`s into its own chunks.
"""

from typing import Literal

import msgspec

from mlx_gui.core.errors import ErrorInfo

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "cancelled", "error"]
Channel = Literal["content", "reasoning", "tool_call"]


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """Text inside a message."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """An encoded picture (PNG, JPEG, …) as fetched or uploaded, not yet decoded."""

    data: bytes


Part = TextPart | ImagePart


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    def text(self) -> str:
        """All text of the turn, parts joined without a separator."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are chosen; None means the model's own default.

    `seed` makes the output independent of whatever else runs in the same batch.
    """

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None


class GenerateRequest(msgspec.Struct, frozen=True):
    """What a model is asked to continue.

    `max_tokens` None means: as many as the context leaves room for.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    tenant: str = "local"
    priority: int = 0


class Queued(msgspec.Struct, frozen=True, tag="queued"):
    """Waiting for a credit; `position` counts from 1 within the model's queue."""

    position: int


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """The model is being loaded; `progress` from 0 to 1 by bytes."""

    progress: float
    stage: str


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """All that can be refused with a 4xx has been checked."""

    prompt_tokens: int


class Prefill(msgspec.Struct, frozen=True, tag="prefill"):
    """`done` of `total` prompt tokens are in the KV cache, `cached` of them reused."""

    done: int
    total: int
    cached: int = 0


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """More text of sequence `index`; `token_count` tokens went into it."""

    index: int
    text: str
    channel: Channel = "content"
    token_count: int = 1


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Sequence `index` has ended."""

    index: int
    finish_reason: FinishReason


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """The stream's last member, also after a cancel; durations are the engine's own."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The stream's last member when it ends by an error."""

    error: ErrorInfo


GenerationEvent = Queued | Loading | Prepared | Prefill | Delta | Done | Usage | Failed
"""A stream is Queued*, Loading*, Prepared, Prefill*, Delta*, Done (one an index), then Usage;
Failed may take the place of any rest. Usage and Failed are terminal."""
