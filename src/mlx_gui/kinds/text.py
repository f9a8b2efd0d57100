"""Models that continue text."""

import json
from pathlib import Path

from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.markers import knows_thoughts, knows_tools
from mlx_gui.core.model import Capability, Kind, LoadSpec, MemoryNeed, ModelFacts, WeightForm
from mlx_gui.kinds.architecture import activations_per_token, context_length, kv_bytes_per_token
from mlx_gui.kinds.base import Recognised
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object, read_tensors, read_text
from mlx_gui.kinds.quantization import parameter_counts, read_quantization

PROCESS_BYTES = 115_000_000
"""Resident set of a worker that has imported everything and loaded nothing, as measured."""

CACHE_STEP_TOKENS = 256
"""KV caches of mlx-lm grow by this."""

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
        )
        return Recognised(facts, _problem(folder, config))

    def weight_form(
        self, facts: ModelFacts, device: DeviceFacts, *, budget_bytes: int, context: int
    ) -> WeightForm:
        """The fastest form for `device` whose load, with a cache of `context` tokens, fits."""
        if device.backend != "cpu":
            return "stored"
        need = _need(facts, weight_form="float32", context=context)
        if need.load_peak_bytes + need.kv_bytes <= budget_bytes:
            return "float32"
        return "stored" if facts.quantization is None else "float32-scales"

    def need(self, facts: ModelFacts, spec: LoadSpec) -> MemoryNeed:
        """Bytes that `spec` takes; its slots share one KV pool of `spec.context` tokens."""
        return _need(facts, weight_form=spec.weight_form, context=spec.context)


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


def _need(facts: ModelFacts, *, weight_form: WeightForm, context: int) -> MemoryNeed:
    widened = weight_form != "stored"
    # Without any 16-bit float in the file the model computes in 32 bits as it is.
    value_bytes = 4 if widened or not facts.float16_bytes else 2
    match weight_form:
        case "stored":
            weights_bytes = load_peak_bytes = facts.stored_bytes
        case "float32-scales":
            weights_bytes = load_peak_bytes = facts.stored_bytes + facts.float16_bytes
        case "float32":
            weights_bytes = facts.parameter_count * 4
            # Tensors are unpacked one by one: the last meets all others, unpacked and as stored.
            one_tensor_bytes = facts.largest_tensor_parameters * 4
            load_peak_bytes = weights_bytes + facts.stored_bytes + 2 * one_tensor_bytes
    tokens = -(-context // CACHE_STEP_TOKENS) * CACHE_STEP_TOKENS
    chunk_values = PREFILL_TOKENS * LAYERS_ALIVE * facts.activations_per_token
    return MemoryNeed(
        weights_bytes=weights_bytes,
        kv_bytes=tokens * facts.kv_bytes_per_token * value_bytes // 2,
        overhead_bytes=PROCESS_BYTES + chunk_values * value_bytes,
        load_peak_bytes=PROCESS_BYTES + load_peak_bytes,
    )
