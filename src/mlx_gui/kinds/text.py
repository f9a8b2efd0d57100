"""Models that continue text."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.fill_tokens import names_fill_tokens
from mlx_gui.core.generation import (
    DetokenizeRequest,
    GenerateRequest,
    TokenizeRequest,
    WorkerRequest,
)
from mlx_gui.core.markers import knows_thoughts, knows_tools
from mlx_gui.core.model import (
    Capability,
    Kind,
    KindFacts,
    KindOptions,
    KVLayout,
    ModelFacts,
    TextFacts,
    TextOptions,
)
from mlx_gui.kinds.architecture import (
    activations_per_token,
    attended_values,
    attention_heads,
    context_length,
    head_size,
    language_part,
    vocabulary_size,
)
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.checkpoint import (
    INDEX_FILE,
    DamagedFile,
    Tensor,
    read_beginning,
    read_json_object,
    read_tensors,
    read_text,
)
from mlx_gui.kinds.kv_layout import kv_layout
from mlx_gui.kinds.quantization import parameter_counts, read_quantization
from mlx_gui.kinds.text_plan import plan_text
from mlx_gui.kinds.unserved import unserved_kind

_UNREAD_PARTS = (
    "audio_tower.",
    "embed_audio.",
    "embed_vision.",
    "multi_modal_projector.",
    "vision_model.",
    "vision_tower.",
    "visual.",
)
"""What a model sees and hears with. mlx-lm loads none of it, but for one family."""
_UNREAD_NAMES = (*_UNREAD_PARTS, *(f"model.{part}" for part in _UNREAD_PARTS))
_READS_ALL = ("muse_spark",)
_ADDED_TOKENS_BYTES = 1 << 21
"""Of a tokenizer's file; its added tokens, which come first, are not more."""


_SCRIPTED = ModelFacts(
    kind="text",
    model_type="fake",
    capabilities=("chat", "completion", "tools", "thinking"),
    parameter_count=12_500_000,
    stored_bytes=50_000_000,
    largest_tensor_parameters=1_000_000,
    own=TextFacts(4096, KVLayout(1024), has_chat_template=True),
)


class TextKind:
    """Every architecture that the installed mlx-lm knows."""

    name: Kind = "text"
    engine = "mlx_gui.engines.text.engine"
    requests: tuple[type[WorkerRequest], ...] = (
        GenerateRequest,
        TokenizeRequest,
        DetokenizeRequest,
    )
    options: type[KindOptions] = TextOptions
    facts: type[KindFacts] = TextFacts
    library = "mlx-lm"
    architectures = "mlx_gui.engines.text.architectures"
    scripted: Mapping[str, ModelFacts] = MappingProxyType(
        {
            **dict.fromkeys(("echo", "second", "slow", "slow-load", "broken", "crash"), _SCRIPTED),
            # Coding agents begin with ten thousand tokens and more, and fill gaps.
            "agent": msgspec.structs.replace(
                _SCRIPTED,
                capabilities=(*_SCRIPTED.capabilities, "fill_in_the_middle"),
                own=TextFacts(131_072, KVLayout(1024), has_chat_template=True),
            ),
            # A large picture is thousands of tokens.
            "vision": msgspec.structs.replace(
                _SCRIPTED,
                capabilities=(*_SCRIPTED.capabilities, "vision"),
                own=TextFacts(131_072, KVLayout(1024), has_chat_template=True),
            ),
        }
    )
    weight_files: tuple[str, ...] = ("*.safetensors", INDEX_FILE)

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Claims whatever names a model_type and is not known to be something else.

        Which of them can be loaded is mlx-lm's to say.
        """
        model_type = config.get("model_type")
        if not isinstance(model_type, str) or unserved_kind(config):
            return None
        try:
            tensors = _read_parts(read_tensors(folder), model_type)
            return facts_in(folder, config, tensors, kind=self.name)
        except DamagedFile as damage:
            return Recognised(None, str(damage))

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        return plan_text(asked)


def facts_in(
    folder: Path, config: dict[str, object], tensors: Sequence[Tensor], *, kind: Kind
) -> Recognised:
    """The facts of a model that writes text, of whose weights `tensors` are loaded.

    Raises DamagedFile.
    """
    template = _chat_template(folder)
    fills_gaps = _fills_gaps(folder)
    part = language_part(config)
    quantization = read_quantization(config)
    parameters = parameter_counts(tensors, quantization).values()
    halves = [tensor for tensor in tensors if tensor.dtype in ("F16", "BF16")]
    facts = ModelFacts(
        kind=kind,
        model_type=str(config.get("model_type")),
        capabilities=_capabilities(template, fills_gaps=fills_gaps),
        parameter_count=sum(parameters),
        stored_bytes=sum(tensor.stored_bytes for tensor in tensors),
        largest_tensor_parameters=max(parameters, default=0),
        own=TextFacts(
            context_length=context_length(config),
            kv=kv_layout(config),
            has_chat_template=bool(template),
            activations_per_token=activations_per_token(config),
            vocabulary_size=vocabulary_size(config),
            attention_heads=attention_heads(part),
            head_size=head_size(part),
            attended_values=attended_values(config),
            tokenizer_bytes=_file_bytes(folder / "tokenizer.json"),
        ),
        quantization=None if quantization is None else str(quantization),
        float16_bytes=sum(tensor.stored_bytes for tensor in halves),
    )
    return Recognised(facts, _problem(folder, config))


def _read_parts(tensors: list[Tensor], model_type: str) -> list[Tensor]:
    if model_type in _READS_ALL:
        return tensors
    return [tensor for tensor in tensors if not tensor.name.startswith(_UNREAD_NAMES)]


def _file_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _chat_template(folder: Path) -> str:
    """The text of all chat templates in the folder; empty if there is none."""
    jinja = folder / "chat_template.jinja"
    if jinja.exists():
        return read_text(jinja)
    for name in ("tokenizer_config.json", "chat_template.json"):
        if (folder / name).exists():
            template = read_json_object(folder / name).get("chat_template")
            if template:
                return template if isinstance(template, str) else json.dumps(template)
    return ""


def _fills_gaps(folder: Path) -> bool:
    """Whether the tokenizer has the tokens for it, which stand at the beginning of its files."""
    files = (folder / name for name in ("tokenizer.json", "tokenizer_config.json"))
    return any(
        names_fill_tokens(read_beginning(file, limit_bytes=_ADDED_TOKENS_BYTES))
        for file in files
        if file.exists()
    )


def _capabilities(template: str, *, fills_gaps: bool) -> tuple[Capability, ...]:
    """What a model can do, by its chat template and tokens; any model continues a text."""
    completion: tuple[Capability, ...] = (
        ("completion", "fill_in_the_middle") if fills_gaps else ("completion",)
    )
    if not template:
        return completion
    tools: tuple[Capability, ...] = ("tools",) if knows_tools(template) else ()
    thinking: tuple[Capability, ...] = ("thinking",) if knows_thoughts(template) else ()
    return ("chat", *completion, *tools, *thinking)


def _problem(folder: Path, config: dict[str, object]) -> str | None:
    """Why a model with intact weights cannot be served."""
    if "model_file" in config:
        return (
            f"Its config.json names code to run ({config['model_file']}), and mlx-gui runs no code "
            "out of model folders."
        )
    complete = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
    if not any(all((folder / name).exists() for name in names) for names in complete):
        return "There is no tokenizer: tokenizer.json is missing."
    return None
