"""What a model on a hub is, by what the hub says of it: tags, task, library, config, sizes.

Nothing is read out of a name. What nobody says is None.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, cast

from mlx_gui.core.device import Backend
from mlx_gui.core.hub import HubModel
from mlx_gui.core.model import Capability, Kind, KindFacts, Model, ModelFacts, TextFacts
from mlx_gui.kinds.architecture import (
    activations_per_token,
    attended_values,
    attention_heads,
    context_length,
    encoded_values_per_token,
    head_size,
    hidden_size,
    language_part,
    vocabulary_size,
)
from mlx_gui.kinds.embedding import MODEL_TYPES as EMBEDDING_TYPES
from mlx_gui.kinds.embedding import EmbeddingFacts
from mlx_gui.kinds.kv_layout import kv_layout
from mlx_gui.kinds.memory import PROCESS_BYTES
from mlx_gui.kinds.quantization import read_quantization
from mlx_gui.kinds.registry import KINDS, kind_of
from mlx_gui.kinds.reranker import RerankerFacts
from mlx_gui.kinds.speech_files import MODEL_TYPES as SPEECH_TYPES
from mlx_gui.kinds.speech_files import why_not_driven
from mlx_gui.kinds.transcription import MODEL_TYPES as TRANSCRIPTION_TYPES
from mlx_gui.kinds.unserved import unserved_kind
from mlx_gui.kinds.vision import MODEL_TYPES as VISION_TYPES
from mlx_gui.kinds.vision_facts import described_tower, facts_of_text

HubKind = Literal["text", "vision", "embedding", "reranker", "transcription", "speech"]
"""What people look for; some of it is served by another kind, or not at all."""

PIPELINE_TAGS: Mapping[HubKind, tuple[str, ...]] = {
    "text": ("text-generation", "text2text-generation"),
    "vision": ("image-text-to-text", "visual-question-answering", "image-to-text"),
    "embedding": ("feature-extraction", "sentence-similarity"),
    "reranker": ("text-ranking",),
    "transcription": ("automatic-speech-recognition",),
    "speech": ("text-to-speech", "text-to-audio"),
}
"""By kind, the usual task of the hub first."""

_KINDS_BY_TAG: Mapping[str, HubKind] = {
    tag: kind for kind, tags in PIPELINE_TAGS.items() for tag in tags
}
_VALUE_BYTES: Mapping[str, float] = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2,
    "U16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I8": 1, "U8": 1, "BOOL": 1, "F4": 0.5,
}  # fmt: skip
_OTHER_FORMS = ("gguf", "onnx", "openvino", "coreml", "tf", "jax", "diffusers", "peft", "adapter")
"""Tags and libraries of what holds no weights that MLX loads, where no safetensors are beside."""
_USUAL_INPUT_TOKENS = 512
"""Of an encoder whose config does not bound its inputs."""


def kind_on_hub(model: HubModel) -> HubKind | None:
    """What the model is for, by its task, else by its architecture."""
    if (kind := _KINDS_BY_TAG.get(model.pipeline_tag or "")) is not None:
        return kind
    if model.pipeline_tag is not None:
        return None
    if (tagged := next((tag for tag in model.tags if tag in _KINDS_BY_TAG), None)) is not None:
        return _KINDS_BY_TAG[tagged]
    architectures = str(model.config.get("architectures", ""))
    model_type = model_type_of(model)
    if "ForSequenceClassification" in architectures:
        return "reranker"
    if model_type in TRANSCRIPTION_TYPES:
        return "transcription"
    if model_type in SPEECH_TYPES:
        return "speech"
    if model_type in EMBEDDING_TYPES or model.library == "sentence-transformers":
        return "embedding"
    if "ForCausalLM" in architectures:
        return "text"
    return None


def served(kind: HubKind) -> bool:
    """Whether any model that is looked for as `kind` can be served by this version."""
    engines = {each.name for each in KINDS if each.engine}
    # A model that also sees is served as far as it writes text.
    return kind in engines or (kind == "vision" and "text" in engines)


def model_type_of(model: HubModel) -> str | None:
    """The architecture, as the config says it."""
    found = model.config.get("model_type")
    return found if isinstance(found, str) and found else None


def quantization_of(config: Mapping[str, Any]) -> str | None:
    """As an installed model's is written; the method of another program by its name and bits."""
    quantization = read_quantization(config)
    if quantization is not None:
        return str(quantization)
    raw = config.get("quantization_config")
    foreign = cast("dict[str, object]", raw) if isinstance(raw, dict) else {}
    method, bits = foreign.get("quant_method"), foreign.get("bits")
    if not isinstance(method, str) or not method.isprintable() or len(method) > 40:
        return None
    return f"{bits}-bit {method}" if type(bits) is int and 0 < bits < 64 else method


def weights_bytes(model: HubModel) -> int | None:
    """The tensors of its safetensors, by their types; None where one is not known."""
    if model.values is None or not model.values.keys() <= _VALUE_BYTES.keys():
        return None
    return int(sum(_VALUE_BYTES[dtype] * count for dtype, count in model.values.items()))


def parameter_count(model: HubModel) -> int | None:
    """Unpacked parameters; None where layers are quantized each in its own way."""
    if model.values is None:
        return None
    quantization = read_quantization(model.config)
    packed = model.values.get("U32", 0)
    if quantization is None:
        foreign = model.config.get("quantization_config") is not None
        return None if foreign or packed else sum(model.values.values())
    if quantization.group_sizes:
        return None
    unpacked = packed * 32 // quantization.bits
    groups = unpacked // quantization.group_size
    scales = groups * (2 if quantization.mode == "affine" else 1)
    others = sum(count for dtype, count in model.values.items() if dtype != "U32") - scales
    return unpacked + others if others >= 0 else None


def capabilities_of(model: HubModel) -> tuple[Capability, ...]:
    """What the model can do as far as the hub tells, by its chat template where it repeats it."""
    match kind_on_hub(model):
        case "embedding":
            return ("embedding",)
        case "reranker":
            return ("reranking",)
        case "transcription":
            return ("transcription",)
        case "speech":
            return ("speech",)
        case "text" | "vision":
            template = model.template
            if template is None:
                return ("chat", "completion") if "conversational" in model.tags else ("completion",)
            tools: tuple[Capability, ...] = ("tools",) if template.tools else ()
            thinks: tuple[Capability, ...] = ("thinking",) if template.thoughts else ()
            return ("chat", "completion", *tools, *thinks)
        case _:
            return ()


def why_unsupported(model: HubModel, supported: Mapping[Kind, tuple[str, ...]]) -> str | None:
    """The sentence why nothing here can serve the model; None where it can be.

    `supported` names the architectures that the installed libraries load, by kind; where it names
    none, as before the device was probed, all pass.
    """
    kind, model_type = kind_on_hub(model), model_type_of(model)
    if (unserved := unserved_kind(model.config)) is not None:
        return f"mlx-gui does not serve {unserved} yet."
    if model_type in SPEECH_TYPES and (reason := why_not_driven(model_type)) is not None:
        return reason
    if kind is not None and not served(kind):
        return f"mlx-gui serves no {kind} models yet."
    if model.values is None and "safetensors" not in model.tags and not _has_safetensors(model):
        forms = [form for form in _OTHER_FORMS if form in (model.library, *model.tags)]
        held = f" but {forms[0]}" if forms else ""
        return f"It has no weights in safetensors{held}, as far as the hub tells."
    if model_type is None:
        return "The hub names no architecture, so nobody can tell what it is."
    if kind is None and "ForCausalLM" not in str(model.config.get("architectures", "")):
        known = supported.get("text")
        if not known or model_type not in known:
            return "The hub does not say what it is for."
    return _why_unknown(kind or "text", model_type, supported)


def why_not_served(
    kind: HubKind, model_type: str, supported: Mapping[Kind, tuple[str, ...]]
) -> str | None:
    """The same of a model of which kind and architecture are known."""
    if not served(kind):
        return f"mlx-gui serves no {kind} models yet."
    return _why_unknown(kind, model_type, supported)


def least_need_bytes(model: HubModel, backend: Backend) -> int | None:
    """What serving takes at least: the weights in their smallest form and a process."""
    stored = weights_bytes(model)
    if stored is None or model.values is None:
        return None
    widened = 0
    if backend == "cpu" and read_quantization(model.config) is not None:
        widened = sum(2 * model.values.get(dtype, 0) for dtype in ("F16", "BF16"))
    return stored + widened + PROCESS_BYTES[backend]


def as_installed(model: HubModel, config: Mapping[str, object]) -> Model | None:
    """A model as it would be here, to plan its load; None where too little is known of it.

    `config` is its whole config.json.
    """
    stored, parameters = weights_bytes(model), parameter_count(model)
    model_type = config.get("model_type")
    if stored is None or model.values is None or not isinstance(model_type, str):
        return None
    kind = kind_on_hub(model)
    if kind in ("transcription", "speech"):
        # What it needs beside its weights is a matter of its files here.
        return None
    loads: Kind = kind if kind is not None and kind in _OWN_FACTS else "text"
    if loads == "vision" and model_type not in VISION_TYPES:
        loads = "text"
    part = language_part(config)
    vocabulary = vocabulary_size(config)
    halves = sum(2 * model.values.get(dtype, 0) for dtype in ("F16", "BF16"))
    sizes = {each.path: each.size_bytes for each in model.files or ()}
    facts = ModelFacts(
        kind=loads,
        model_type=model_type,
        capabilities=capabilities_of(model),
        # Rather too many than too few: as of four bits each.
        parameter_count=parameters if parameters is not None else stored * 2,
        stored_bytes=stored,
        # The largest one is that of the vocabulary, or the experts of a layer.
        largest_tensor_parameters=_largest(config, vocabulary, hidden_size(part)),
        own=_OWN_FACTS[loads](config, sizes.get("tokenizer.json", 0)),
        quantization=quantization_of(config),
        float16_bytes=halves,
    )
    return Model(
        id=model.id,
        path=f"hub:{model.id}@{model.revision}",
        facts=facts,
        problem=None,
        disk_bytes=stored,
        discovered_at="",
    )


def _text(config: Mapping[str, object], tokenizer_bytes: int) -> KindFacts:
    part = language_part(config)
    return TextFacts(
        context_length=context_length(config),
        kv=kv_layout(config),
        activations_per_token=activations_per_token(config),
        vocabulary_size=vocabulary_size(config),
        attention_heads=attention_heads(part),
        head_size=head_size(part),
        attended_values=attended_values(config),
        tokenizer_bytes=tokenizer_bytes,
    )


def _embedding(config: Mapping[str, object], tokenizer_bytes: int) -> KindFacts:
    part = language_part(config)
    return EmbeddingFacts(
        dimensions=hidden_size(part),
        longest_tokens=context_length(config) or _USUAL_INPUT_TOKENS,
        values_per_token=encoded_values_per_token(config),
        attention_heads=attention_heads(part),
        tokenizer_bytes=tokenizer_bytes,
    )


def _reranker(config: Mapping[str, object], tokenizer_bytes: int) -> KindFacts:
    return RerankerFacts(
        longest_tokens=context_length(config) or _USUAL_INPUT_TOKENS,
        values_per_token=encoded_values_per_token(config),
        attention_heads=attention_heads(language_part(config)),
        tokenizer_bytes=tokenizer_bytes,
    )


def _vision(config: Mapping[str, object], tokenizer_bytes: int) -> KindFacts:
    return facts_of_text(_text(config, tokenizer_bytes), described_tower(config, {}))


_OWN_FACTS: Mapping[Kind, Callable[[Mapping[str, object], int], KindFacts]] = {
    "text": _text,
    "vision": _vision,
    "embedding": _embedding,
    "reranker": _reranker,
}
"""What the facts of a kind have besides, from a config.json and the size of a tokenizer.json."""


def _why_unknown(
    kind: HubKind, model_type: str, supported: Mapping[Kind, tuple[str, ...]]
) -> str | None:
    # One that is not driven with its tower is loaded as one that writes text.
    seen = kind == "vision" and model_type in supported.get("vision", ())
    loads = "text" if kind == "vision" and not seen else kind
    known = supported.get(loads)
    if not known or model_type in known:
        return None
    return f"The architecture '{model_type}' is not supported by {_library(loads)}."


@cache
def _library(kind: Kind) -> str:
    """What loads models of this kind, and which version of it; to find that out reads a file."""
    library = kind_of(kind).library
    return f"{library} {version(library)}"


def _largest(config: Mapping[str, object], vocabulary: int | None, hidden: int) -> int:
    part = language_part(config)
    experts = _number(part.get("num_experts")) or _number(part.get("num_local_experts"))
    inner = _number(part.get("moe_intermediate_size")) or _number(part.get("intermediate_size"))
    return max((vocabulary or 0) * hidden, max(experts, 1) * inner * hidden)


def _number(said: object) -> int:
    return said if type(said) is int and 0 < said < 2**31 else 0


def _has_safetensors(model: HubModel) -> bool:
    return any(each.path.endswith(".safetensors") for each in model.files or ())
