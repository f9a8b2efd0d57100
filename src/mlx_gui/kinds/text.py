"""Models that continue text."""

import json
from pathlib import Path

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.markers import knows_thoughts, knows_tools
from mlx_gui.core.model import Capability, Kind, LoadSpec, MemoryNeed, ModelFacts, WeightForm
from mlx_gui.kinds.architecture import (
    activations_per_token,
    context_length,
    kv_bytes_per_token,
    vocabulary_size,
)
from mlx_gui.kinds.base import Recognised
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object, read_tensors, read_text
from mlx_gui.kinds.quantization import parameter_counts, read_quantization

PROCESS_BYTES = 115_000_000
"""Resident set of a worker that has imported everything and loaded nothing, as measured."""

CACHE_STEP_TOKENS = 256
"""KV caches of mlx-lm grow by this."""

KV_GROUP = 64
"""So many values of a quantized KV cache share a scale and a bias."""

PREFILL_TOKENS = 512
LAYERS_ALIVE = 4
"""So many layers' activations of a prompt's chunk are in memory at once."""


class TextKind:
    """Every architecture that the installed mlx-lm knows."""

    name: Kind = "text"
    engine = "mlx_gui.engines.text.engine"

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Claims whatever names a model_type: which of them can be loaded is mlx-lm's to say."""
        model_type = config.get("model_type")
        if not isinstance(model_type, str):
            return None
        try:
            tensors = read_tensors(folder)
            template = _chat_template(folder)
        except DamagedFile as damage:
            return Recognised(None, str(damage))
        quantization = read_quantization(config)
        parameters = parameter_counts(tensors, quantization).values()
        halves = [tensor for tensor in tensors if tensor.dtype in ("F16", "BF16")]
        facts = ModelFacts(
            kind="text",
            model_type=model_type,
            capabilities=_capabilities(template),
            context_length=context_length(config),
            parameter_count=sum(parameters),
            stored_bytes=sum(tensor.stored_bytes for tensor in tensors),
            largest_tensor_parameters=max(parameters, default=0),
            kv_bytes_per_token=kv_bytes_per_token(config),
            quantization=None if quantization is None else str(quantization),
            has_chat_template=bool(template),
            float16_bytes=sum(tensor.stored_bytes for tensor in halves),
            activations_per_token=activations_per_token(config),
            vocabulary_size=vocabulary_size(config),
        )
        return Recognised(facts, _problem(folder, config))

    def weight_forms(self, facts: ModelFacts, device: DeviceFacts) -> tuple[WeightForm, ...]:
        """The forms that `device` can hold weights in, the fastest first and the last smallest."""
        if device.backend != "cpu":
            return ("stored",)
        return ("float32", "stored" if facts.quantization is None else "float32-scales")

    def need(
        self,
        facts: ModelFacts,
        spec: LoadSpec,
        *,
        adapter_bytes: int = 0,
        draft: ModelFacts | None = None,
    ) -> MemoryNeed:
        """Bytes that `spec` takes; its slots share one KV pool.

        A draft model is loaded after the model itself and has a KV pool of its own.
        """
        own = _need(facts, spec)
        loaded_bytes = own.weights_bytes + adapter_bytes
        drafting = MemoryNeed(0, 0, 0, 0) if draft is None else _need(draft, spec)
        return MemoryNeed(
            weights_bytes=loaded_bytes + drafting.weights_bytes,
            kv_bytes=own.kv_bytes + drafting.kv_bytes,
            overhead_bytes=max(own.overhead_bytes, drafting.overhead_bytes),
            load_peak_bytes=max(
                own.load_peak_bytes + adapter_bytes, loaded_bytes + drafting.load_peak_bytes
            ),
            prefix_bytes=spec.prefix_cache_bytes,
        )


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


def _capabilities(template: str) -> tuple[Capability, ...]:
    """What a model can do, by its chat template; any model continues a text."""
    if not template:
        return ("completion",)
    tools: tuple[Capability, ...] = ("tools",) if knows_tools(template) else ()
    thinking: tuple[Capability, ...] = ("thinking",) if knows_thoughts(template) else ()
    return ("chat", "completion", *tools, *thinking)


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


def _need(facts: ModelFacts, spec: LoadSpec) -> MemoryNeed:
    widened = spec.weight_form != "stored"
    # Without any 16-bit float in the file the model computes in 32 bits as it is.
    value_bytes = 4 if widened or not facts.float16_bytes else 2
    match spec.weight_form:
        case "stored":
            weights_bytes = load_peak_bytes = facts.stored_bytes
        case "float32-scales":
            weights_bytes = load_peak_bytes = facts.stored_bytes + facts.float16_bytes
        case "float32":
            weights_bytes = facts.parameter_count * 4
            # Tensors are unpacked one by one: the last meets all others, unpacked and as stored.
            one_tensor_bytes = facts.largest_tensor_parameters * 4
            load_peak_bytes = weights_bytes + facts.stored_bytes + 2 * one_tensor_bytes
    held_tokens = max(spec.kv_pool_tokens, spec.context)
    tokens = -(-held_tokens // CACHE_STEP_TOKENS) * CACHE_STEP_TOKENS
    chunk_values = PREFILL_TOKENS * LAYERS_ALIVE * facts.activations_per_token
    return MemoryNeed(
        weights_bytes=weights_bytes,
        kv_bytes=tokens
        * facts.kv_bytes_per_token
        // 2
        * _kv_group_bits(spec, value_bytes)
        // (8 * KV_GROUP),
        overhead_bytes=PROCESS_BYTES + chunk_values * value_bytes,
        load_peak_bytes=PROCESS_BYTES + load_peak_bytes,
    )


def _kv_group_bits(spec: LoadSpec, value_bytes: int) -> int:
    """What a group of values takes in the KV cache, with scale and bias if it is quantized."""
    if spec.text.kv_bits is None:
        return KV_GROUP * 8 * value_bytes
    return KV_GROUP * spec.text.kv_bits + 2 * 8 * value_bytes
