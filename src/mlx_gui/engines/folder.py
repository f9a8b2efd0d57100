"""The folder that an engine loads from; whatever is wrong with it becomes one sentence."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlx_gui.core.errors import LoadFailed, ModelNotFound
from mlx_gui.core.exhaustion import says_out_of_memory
from mlx_gui.core.model import LoadSpec

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
)
"""What the libraries read of a tokenizer, all of it JSON; a folder has some of them."""

_REASON_CHARACTERS = 300


def existing_folder(spec: LoadSpec) -> Path:
    """The folder of `spec`. Raises ModelNotFound when it is gone."""
    folder = Path(spec.path)
    if not folder.is_dir():
        raise ModelNotFound(
            f"The folder of {spec.model_id} is not there any more: {folder}.",
            hint="Put it back, or connect the disk that it is on.",
            details={"model": spec.model_id},
        )
    return folder


@contextmanager
def weight_errors(model_id: str) -> Generator[None]:
    """What a model file raises over a broken folder is up to its author."""
    try:
        yield
    except (
        ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    ) as error:  # fmt: skip
        end_if_out_of_memory(error)
        raise LoadFailed(
            f"Loading the weights of {model_id} failed: {reason(error)}",
            hint="Remove the model and install it again; its files may be incomplete.",
        ) from error


def read_json(file: Path, model_id: str, *, needed: bool = True) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not needed:
            return {}
        raise LoadFailed(f"{model_id} has no {file.name} in {file.parent}.") from error
    except (OSError, ValueError) as error:
        raise LoadFailed(f"{file.name} of {model_id} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise LoadFailed(f"{file.name} of {model_id} holds no settings.")
    return content


def reason(error: Exception) -> str:
    """The error on one line; some list every tensor of the model."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, KeyError):
        text = f"{text} is missing"
    cut = len(text) > _REASON_CHARACTERS
    return f"{text[:_REASON_CHARACTERS]}…" if cut else text


class TokenizerErrors:
    """What libraries raise over a broken tokenizer in `folder` becomes LoadFailed.

    It names the file that is to blame, where that can be told.
    """

    _RAISED = (
        AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    )  # fmt: skip

    def __init__(self, folder: Path, model_id: str) -> None:
        self._folder = folder
        self._model_id = model_id

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # The Rust library has no class of its own, and raises `Exception` itself.
        if isinstance(error, self._RAISED) or (isinstance(error, Exception) and kind is Exception):
            end_if_out_of_memory(error)
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> LoadFailed:
        what = f"{self._model_id} has no usable tokenizer"
        hint = (
            "The folder needs tokenizer.json and tokenizer_config.json as they came with the model."
        )
        for name in TOKENIZER_FILES:
            try:
                read_json(self._folder / name, self._model_id, needed=False)
            except LoadFailed as damage:
                return LoadFailed(f"{what}: {damage}", hint=hint)
        where = f"{TOKENIZER_FILES[0]}: " if type(error) is Exception else ""
        return LoadFailed(f"{what}: {where}{reason(error)}", hint=hint)


def rope_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary settings where mlx-lm looks for them.

    transformers 5 writes them below `rope_parameters`, in some models for each type of layer. Half
    of mlx-lm's models look beside it only and would use a default without a word.
    """
    nested = config.get("rope_parameters")
    if not isinstance(nested, dict):
        return {}
    local = nested.get("sliding_attention", {})
    main = nested.get("full_attention", nested)
    found = {
        "rope_theta": main.get("rope_theta"),
        "rope_local_base_freq": local.get("rope_theta"),
        "rope_scaling": main if main.get("rope_type", "default") != "default" else None,
    }
    return {key: value for key, value in found.items() if value and not config.get(key)}


def end_if_out_of_memory(error: Exception) -> None:
    """The folder is not to blame: the process ends by the error, and is diagnosed by it."""
    if says_out_of_memory(str(error)):
        raise error
