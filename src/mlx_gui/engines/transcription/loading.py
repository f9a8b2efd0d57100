"""Loads a speech model's folder; whatever is wrong with it becomes one sentence."""

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from transformers import WhisperProcessor

from mlx_gui.core.errors import LoadFailed, ModelUnsupported
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import LoadReport
from mlx_gui.engines.folder import TokenizerErrors, existing_folder, read_json, weight_errors
from mlx_gui.engines.sound.mono import RATE_HZ
from mlx_gui.engines.transcription.detector import SpeechDetector, load_detector
from mlx_gui.engines.transcription.hearing import Recogniser
from mlx_gui.engines.transcription.mlx_audio import load_model
from mlx_gui.engines.transcription.parakeet import ParakeetRecogniser
from mlx_gui.engines.transcription.silence import rule_with
from mlx_gui.engines.transcription.whisper import WhisperRecogniser
from mlx_gui.engines.weights import hold_weights
from mlx_gui.kinds.transcription import TranscriptionOptions, family_of

_FIRST_TIME = "<|0.00|>"
_GENERATION, _HEADS = "generation_config.json", "alignment_heads"
_READ_OF_WHISPER = ("tokenizer_config.json", "preprocessor_config.json", "tokenizer.json")
"""Looked at before the weights, since the library says nothing of what is wrong with them."""


def load(spec: LoadSpec, report: LoadReport) -> Recogniser:
    """The model of `spec`, held as it says. Raises ModelNotFound, LoadFailed or ModelUnsupported.

    ModelNotFound says that its folder is gone.
    """
    folder = existing_folder(spec)
    family = family_of(read_json(folder / "config.json", spec.model_id))
    if family is None:
        raise ModelUnsupported(f"{spec.model_id} is of no family that is served.")
    if family == "whisper":
        for name in _READ_OF_WHISPER:
            read_json(folder / name, spec.model_id, needed=False)
    with weight_errors(spec.model_id):
        # Names of other families in the folder's own would be taken for its family.
        model: Any = load_model(folder, lazy=True, model_type=family, model_name_parts=[])
    if family == "parakeet":
        _check_rate(model, spec.model_id)
    else:
        _check_heads(model, folder, spec.model_id)
        _check_tokenizer(model, folder, spec.model_id)
    with weight_errors(spec.model_id):
        hold_weights(model, spec.weight_form, report)
    dtype = _dtype(model)
    says_nothing = rule_with(_detector(spec))
    if family == "parakeet":
        return ParakeetRecogniser(model, dtype, spec.model_id, says_nothing=says_nothing)
    model.dtype = dtype
    # They are no parameters.
    model.encoder._positional_embedding = model.encoder._positional_embedding.astype(dtype)
    model.decoder._mask = model.decoder._mask.astype(dtype)
    return WhisperRecogniser(model, dtype, spec.model_id, says_nothing=says_nothing)


def _detector(spec: LoadSpec) -> SpeechDetector | None:
    options = spec.options
    assert isinstance(options, TranscriptionOptions), f"{spec.model_id} is of kind {spec.kind}"
    return None if options.detector is None else load_detector(Path(options.detector))


def _dtype(model: Any) -> mx.Dtype:
    """What the model computes in: the type of its vectors, which are never packed."""
    parameters: Any = tree_flatten(model.parameters())
    return next(
        array.dtype
        for _, array in parameters
        if array.ndim == 1 and mx.issubdtype(array.dtype, mx.floating)
    )


def _check_rate(model: Any, model_id: str) -> None:
    rate_hz = model.preprocessor_config.sample_rate
    if rate_hz != RATE_HZ:
        raise ModelUnsupported(
            f"{model_id} hears {rate_hz} samples a second; {RATE_HZ} are made here."
        )


def _check_heads(model: Any, folder: Path, model_id: str) -> None:
    """Raises LoadFailed unless the model has the heads that show where words are."""
    heads = read_json(folder / _GENERATION, model_id, needed=False).get(_HEADS)
    if heads is None:
        return
    bounds = (model.dims.n_text_layer, model.dims.n_text_head)
    known = isinstance(heads, list) and all(
        isinstance(pair, list)
        and len(pair) == len(bounds)
        and all(type(at) is int and 0 <= at < bound for at, bound in zip(pair, bounds, strict=True))
        for pair in heads
    )
    if not known or not heads:
        raise LoadFailed(
            f"{_GENERATION} of {model_id} names heads ({_HEADS}) that the model does not have: "
            f"it has {bounds[0]} layers with {bounds[1]} heads.",
            hint="Fetch the model again. Without that line the model finds words by all heads.",
        )


def _check_tokenizer(model: Any, folder: Path, model_id: str) -> None:
    """Raises LoadFailed unless the tokenizer knows the times between segments."""
    with TokenizerErrors(folder, model_id):
        # The library keeps to itself what was wrong.
        processor: Any = model._processor or WhisperProcessor.from_pretrained(str(folder))
        known = _FIRST_TIME in processor.tokenizer.get_vocab()
    if not known:
        raise LoadFailed(
            f"The tokenizer of {model_id} has no {_FIRST_TIME}, so that nothing of it has times.",
            hint="It is that of another program; take the tokenizer of the original model.",
        )
