"""Loads a model that sees with mlx-vlm, for the text engine to drive."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import LoadReport
from mlx_gui.engines.folder import existing_folder, read_json, weight_errors
from mlx_gui.engines.text.head import Head
from mlx_gui.engines.text.loading import (
    LoadedModel,
    Tokenizers,
    load_tokenizers,
    resident,
    vocabulary_of,
)
from mlx_gui.engines.text.network import Network
from mlx_gui.engines.vision.eyes import FAMILIES, Family, Folder, open_eyes
from mlx_gui.engines.vision.mlx_vlm import load_model
from mlx_gui.engines.vision.parts import parts_of
from mlx_gui.engines.weights import hold_weights
from mlx_gui.kinds.vision_facts import VisionOptions

_ONE_ROW = {
    "ministral3": "Its attention is scaled by the place in one sequence.",
    "mistral4": "Its attention is scaled by the place in one sequence.",
}
"""Language models that mlx-vlm computes wrongly where rows have different lengths."""


def load_seeing(spec: LoadSpec, report: LoadReport) -> LoadedModel:
    """The model of `spec`, held as it says. Raises ModelNotFound, LoadFailed or ModelUnsupported.

    ModelNotFound says that its folder is gone.
    """
    folder = existing_folder(spec)
    config = read_json(folder / "config.json", spec.model_id)
    options = spec.options
    assert isinstance(options, VisionOptions), f"{spec.model_id} is of kind {spec.kind}"
    family = _family(config, spec)
    # The tokenizers take as long as the weights of a small model, and need no MLX.
    with ThreadPoolExecutor(1, "tokenizer") as beside:
        tokenizing = beside.submit(load_tokenizers, folder, config, spec.model_id)
        with weight_errors(spec.model_id):
            model: Any = load_model(folder, lazy=True)
            parts = parts_of(model, config, position_axes=family.position_axes)
            hold_weights(model, spec.weight_form, report)
    tokenizers = tokenizing.result()
    language = parts.language
    network = Network(
        language, Head(language, vocabulary_of(language)), parts.embed, family.position_axes
    )
    text_type = config.get("text_config", {}).get("model_type")
    return resident(
        network,
        tokenizers,
        config,
        spec,
        serial_because=_ONE_ROW.get(text_type),
        eyes=open_eyes(
            family,
            _folder(folder, config, tokenizers, spec.model_id),
            options.picture_pixels,
            model_id=spec.model_id,
        ),
        tower=parts.tower,
    )


def _family(config: Mapping[str, Any], spec: LoadSpec) -> Family:
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None:
        raise ModelUnsupported(
            f"Nothing here looks at pictures for {spec.model_id}, whose architecture is "
            f"{config.get('model_type')}.",
            hint=f"Those that see are: {', '.join(sorted(FAMILIES))}.",
        )
    if "model_file" in config:
        raise ModelUnsupported(
            f"{spec.model_id} brings its own program code ({config['model_file']}), which is never "
            "run."
        )
    if spec.text.adapter is not None or spec.text.draft is not None:
        what = "an adapter" if spec.text.adapter is not None else "a draft model"
        raise ModelUnsupported(
            f"{spec.model_id} sees, and such a model is not served with {what}.",
            hint="Load it without, or set its `vision` to off: then it is a text model.",
        )
    return family


def _folder(path: Path, config: Mapping[str, Any], tokenizers: Tokenizers, model_id: str) -> Folder:
    _, tokenizer = tokenizers
    return Folder(
        path,
        config,
        read_json(path / "processor_config.json", model_id, needed=False),
        token_id=tokenizer.convert_tokens_to_ids,
        token=tokenizer.convert_ids_to_tokens,
    )
