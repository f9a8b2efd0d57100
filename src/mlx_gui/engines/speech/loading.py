"""Loads the folder of a model that speaks; whatever is wrong with it becomes one sentence."""

import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from mlx_gui.core.errors import LoadFailed, ModelUnsupported
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import LoadReport
from mlx_gui.engines.folder import TokenizerErrors, existing_folder, read_json, weight_errors
from mlx_gui.engines.speech.pocket import PocketSpeaker
from mlx_gui.engines.speech.qwen import QwenSpeaker
from mlx_gui.engines.speech.speaking import Speaker
from mlx_gui.engines.weights import hold_weights
from mlx_gui.kinds.speech_files import (
    CODEC_FOLDER,
    facts_of,
    family_of,
    has_tokenizer,
    type_of,
)

_TOKENIZER = "tokenizer.json"
_PACKAGES_OF_CODECS = ("mlx_audio.codec", "mlx_audio.codec.models")


def load(spec: LoadSpec, report: LoadReport) -> Speaker:
    """The model of `spec`, held as it says. Raises ModelNotFound, LoadFailed or ModelUnsupported.

    ModelNotFound says that its folder is gone.
    """
    folder = existing_folder(spec)
    config = read_json(folder / "config.json", spec.model_id)
    model_type = type_of(config)
    family = None if model_type is None else family_of(model_type)
    if family is None:
        raise ModelUnsupported(f"{spec.model_id} is of no family that is served.")
    if not has_tokenizer(folder, config):
        # The library would ask the network for the one that the config names.
        raise LoadFailed(
            f"{spec.model_id} has no tokenizer in its folder.",
            hint="Fetch the model again; the folder needs tokenizer.model or tokenizer.json.",
        )
    if (folder / _TOKENIZER).is_file():
        _check_tokenizer(folder, spec.model_id)
    with weight_errors(spec.model_id):
        model = _load_model(folder, family)
    if family == "qwen3_tts":
        _check_parts(model, folder, spec.model_id)
    with weight_errors(spec.model_id):
        hold_weights(model, spec.weight_form, report)
        if family == "qwen3_tts":
            follows = facts_of(folder, config, family).follows
            return QwenSpeaker(model, spec.model_id, follows=follows)
        return PocketSpeaker(model, folder, spec.model_id)


def leave_codecs_out() -> None:
    """Have mlx-audio import only those of its codecs that a model names.

    The files of these two packages import all of them, and scipy with one, which the pins leave
    out.
    """
    for name in _PACKAGES_OF_CODECS:
        if name not in sys.modules:
            found = find_spec(name)
            assert found is not None, "mlx-audio is a dependency"
            sys.modules[name] = module_from_spec(found)


def _check_tokenizer(folder: Path, model_id: str) -> None:
    """Raises LoadFailed for what the library of tokenizers takes for none."""
    model = read_json(folder / _TOKENIZER, model_id).get("model")
    if not isinstance(model, dict) or "vocab" not in model:
        raise LoadFailed(
            f"{_TOKENIZER} of {model_id} holds no tokenizer.", hint="Fetch the model again."
        )
    with TokenizerErrors(folder, model_id):
        Tokenizer.from_file(str(folder / _TOKENIZER))


def _check_parts(model: Any, folder: Path, model_id: str) -> None:
    """Have what the library loads beside the weights of Qwen3-TTS be there, and be seen.

    It goes on without, and hides the layers of the codec behind what compiles them. Raises
    LoadFailed.
    """
    with TokenizerErrors(folder, model_id):
        if model.tokenizer is None:
            AutoTokenizer.from_pretrained(str(folder))
    codec = model.speech_tokenizer
    if model.tokenizer is None or codec is None:
        raise LoadFailed(
            f"{CODEC_FOLDER} of {model_id} cannot be loaded.", hint="Fetch the model again."
        )
    codec.decoder = codec.decoder.streaming_step.__self__


def _load_model(folder: Path, family: str) -> Any:
    leave_codecs_out()
    from mlx_audio.tts.utils import load_model

    # Names of other families in the folder's own would be taken for its family.
    return load_model(folder, lazy=True, model_type=family, model_name_parts=[])
