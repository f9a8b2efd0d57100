"""The canonical request and its event stream.

No API family's shape passes this border: each family translates its JSON into a `GenerateRequest`
and the stream of `Event`s into its own chunks.
"""

from typing import Any, Literal

import msgspec

from mlx_gui.core.blob import Content
from mlx_gui.core.errors import ErrorInfo

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "cancelled", "error"]
Channel = Literal["content", "reasoning", "tool_call"]
GrammarKind = Literal["json_object", "json_schema", "regex", "lark"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """Text inside a message."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """An encoded picture (PNG, JPEG, …) as fetched or uploaded, not yet decoded.

    With more than `most_pixels` it is scaled down. Errors name `where` it stands in the request.
    What the result of a tool shows stands in a message of the user behind the results.
    """

    data: Content
    most_pixels: int = 4 * 1024 * 1024
    where: str = ""


class ReasoningPart(msgspec.Struct, frozen=True, tag="reasoning"):
    """What the assistant thought in an earlier turn; templates keep or drop it as they like."""

    text: str


class ToolCallPart(msgspec.Struct, frozen=True, tag="tool_call"):
    """A call that the assistant made in an earlier turn; `arguments` are as it wrote them.

    That is a JSON object as text, unless the assistant made a mistake.
    """

    id: str
    name: str
    arguments: str


class ToolResultPart(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool answered to the call `call_id`; the only part of a message of the role tool.

    `name` is the tool's, where the family tells it.
    """

    call_id: str
    text: str
    name: str | None = None


Part = TextPart | ImagePart | ReasoningPart | ToolCallPart | ToolResultPart


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None

    def text(self) -> str:
        """All text of the turn, parts joined without a separator."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class Grammar(msgspec.Struct, frozen=True):
    """What the content of the answer must match: a JSON schema, a regex or a Lark grammar.

    `text` is that schema (as JSON), regex or grammar; empty for any JSON object. Of a schema that
    cannot be enforced in full the rest is left away, or with `strict` the request is refused.
    """

    kind: GrammarKind
    text: str = ""
    strict: bool = False


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call; `parameters` is the JSON schema of its arguments.

    With `strict`, a call that is enforced is refused where the schema cannot be enforced in full.
    `grammar` is for the text of the argument `input`, of a tool that takes text.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool = False
    grammar: Grammar | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """Which of the tools may or must be called. `name` belongs to the mode `named`.

    `parallel` False allows one call an answer.
    """

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str | None = None
    parallel: bool = True


class Reasoning(msgspec.Struct, frozen=True):
    """Whether and how long a model thinks before it answers; None leaves it to the model.

    `budget_tokens` bounds the thought. With `raw`, thought and markers come as content, untouched.
    """

    enabled: bool | None = None
    effort: Effort | None = None
    budget_tokens: int | None = None
    raw: bool = False


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are chosen; None means the model's own default.

    `seed` makes the output independent of whatever else runs in the same batch. `logit_bias` adds
    to the logits of token ids. Penalties look at the answer so far; the repetition penalty at the
    prompt as well, as is its custom.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[int, float] = {}
    seed: int | None = None


class WorkerRequest:
    """What a worker is asked to do under a lease: a tagged struct of the kind that answers it.

    `kinds/registry.py:KINDS` knows them all, so that messages can carry any of them.
    """

    __slots__ = ()


class GenerateRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="generate"):
    """What a model is asked to continue.

    Either `messages`, which the model's chat template turns into a prompt, or `prompt`: text, or
    token ids, taken as they are. `max_tokens` None means: as many as the context leaves room for;
    0: the prompt is read, and nothing is written.
    """

    messages: tuple[Message, ...] = ()
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    prompt: str | tuple[int, ...] | None = None
    suffix: str = ""
    """What follows the answer to a `prompt` of text: the gap between them is filled."""
    earlier: tuple[int, ...] = ()
    """Token ids that the conversation follows on, as the usage of an earlier answer told them."""
    tells_ids: bool = False
    """Whether the usage has the ids of prompt and answer."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    grammar: Grammar | None = None
    reasoning: Reasoning = Reasoning()
    top_logprobs: int | None = None
    """None: no log-probabilities; 0: the chosen tokens' own; more: so many alternatives besides."""
    continue_final: bool = False
    """Whether the last message, an assistant's, is the beginning of the answer."""
    echo: bool = False
    """Whether the answer's text begins with the prompt's, and its log-probabilities too."""
    ignore_eos: bool = False
    """Whether the answer goes on to `max_tokens` whatever the model says; for benchmarks."""
    truncate: bool | None = None
    """Whether the oldest turns may be dropped to make the prompt fit; None asks the setting."""
    template: str | None = None
    """A Jinja chat template in place of the model's own."""
    template_arguments: dict[str, Any] = {}
    """More variables for the chat template."""

    @property
    def scores_prompt(self) -> bool:
        """Whether the chances of the prompt's own tokens are asked for."""
        return self.echo and self.top_logprobs is not None


class TokenizeRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="tokenize"):
    """What `request` reads as tokens. Answered by `Tokenized`, then Usage.

    `special` says whether a raw prompt gets the special tokens that begin a text.
    """

    request: GenerateRequest
    special: bool = True


class DetokenizeRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="detokenize"):
    """The text of token ids. Answered by `Detokenized`, then Usage."""

    ids: tuple[int, ...]


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """All that can be refused with a 4xx has been checked.

    `truncated_messages` of the oldest turns were dropped to make the prompt fit, and
    `truncated_tokens` of the ids that it follows on. `not_enforced` are the places of keywords in
    schemas that the answer may break. `left_out` says in words what else the answer does without,
    `scaled_down` which pictures have lost pixels. `moved` is where pictures stand that the template
    has no place for there: they are in the user's next message. `audio_s` is how long the sound is
    that is listened to, where its file says that.
    """

    prompt_tokens: int
    truncated_messages: int = 0
    not_enforced: tuple[str, ...] = ()
    truncated_tokens: int = 0
    left_out: tuple[str, ...] = ()
    scaled_down: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    audio_s: float | None = None


class Prefill(msgspec.Struct, frozen=True, tag="prefill"):
    """`done` of `total` prompt tokens are in the KV cache, `cached` of them reused."""

    done: int
    total: int
    cached: int = 0


class TokenChance(msgspec.Struct, frozen=True):
    """A token that could be chosen: its text (lossy where it is part of a character) and bytes."""

    text: str
    bytes: bytes
    logprob: float
    id: int


class TokenLogprob(msgspec.Struct, frozen=True):
    """The chosen token's chance, and the likeliest alternatives, best first.

    `offset` is where it begins in the text, in characters, where the engine knows. A prompt's
    `first` token follows nothing and has no chance: its number means nothing.
    """

    chosen: TokenChance
    top: tuple[TokenChance, ...] = ()
    offset: int | None = None
    first: bool = False


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """More text of sequence `index`; `token_count` tokens went into it.

    On the channel `tool_call` the text is of the arguments of call number `call`, which a
    `CallStarted` has announced. `logprobs` belong to the tokens that went into the content.
    `until_s` is how far into the sound what was heard goes, where the text is of that.
    """

    index: int
    text: str
    channel: Channel = "content"
    token_count: int = 1
    call: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    until_s: float = 0.0


class CallStarted(msgspec.Struct, frozen=True, tag="call_started"):
    """Sequence `index` calls a tool: its call number `call`, from 0, whose arguments follow."""

    index: int
    call: int
    id: str
    name: str


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """More sound of sequence `index`: encoded as the request asked for it, in order."""

    index: int
    data: bytes


class Result(msgspec.Struct, frozen=True, tag="result"):
    """The whole of what answers input number `index`, where an answer is not a stream of text.

    What `value` holds is the request's own to say: an embedding is packed 32-bit floats.
    """

    index: int
    value: bytes


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Sequence `index` has ended; `stop` is the stop string that ended it, if one did."""

    index: int
    finish_reason: FinishReason
    stop: str | None = None


class Tokenized(msgspec.Struct, frozen=True, tag="tokenized"):
    """The ids, and the text of each (lossy where it is part of a character)."""

    ids: tuple[int, ...]
    texts: tuple[str, ...]


class Detokenized(msgspec.Struct, frozen=True, tag="detokenized"):
    """The text of the ids that were asked about, special tokens included."""

    text: str


class Usage(msgspec.Struct, frozen=True, tag="usage"):
    """The stream's last member, also after a cancel; durations are the engine's own.

    `completion_tokens` are those of all sequences, `reasoning_tokens` a part of them.
    `cache_miss` says why no more of the prompt was found in the prefix cache; empty if all was.
    `ids` are those of the prompt and of the first answer, for a request that `tells_ids`.
    `audio_ms` is the length of all sound that was read or made, `images` the number of pictures,
    for which `image_tokens` of the prompt's stand.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    reasoning_tokens: int = 0
    cache_miss: str = ""
    ids: tuple[int, ...] = ()
    audio_ms: float = 0.0
    images: int = 0
    image_tokens: int = 0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The stream's last member when it ends by an error."""

    error: ErrorInfo


Event = (
    Prepared
    | Prefill
    | Delta
    | CallStarted
    | Audio
    | Result
    | Done
    | Tokenized
    | Detokenized
    | Usage
    | Failed
)
"""A stream is Prepared, Prefill*, then Delta and CallStarted in any order for
each index up to its Done, then Usage. In the place of those for text a kind may have Audio, or one
Result for each input. Failed may take the place of any rest. Usage and Failed are terminal."""
