"""What sentence-transformers writes beside a model: how vectors of tokens become that of a text.

Its `modules.json` lists the stages behind the encoder; each has a folder. What a conversion lost is
looked up by the `base_model` of the card, in `kinds/base_encoders.py`. Nothing is guessed from a
name: where neither tells, there is no pooling, and a setting must say it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from mlx_gui.kinds.base_encoders import BASE_ENCODERS, BaseEncoder
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object, read_json_value, read_text
from mlx_gui.kinds.numbers import number

PoolingMode = Literal["cls", "mean", "max", "lasttoken", "weightedmean", "mean_sqrt_len"]

MODULES_FILE = "modules.json"
POOLING_FOLDER = "1_Pooling"

_MODES: Mapping[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""In the order in which vectors are put together where there are several."""
_NAMED: Mapping[str, PoolingMode] = {
    **{mode: mode for mode in _MODES.values()},
    "mean_sqrt_len_tokens": "mean_sqrt_len",
}
_ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
_WITHOUT_EFFECT = ("Dropout",)
_LENGTH_FILES = "sentence_*_config.json"
_CARD_BYTES = 1 << 16
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)^---", re.DOTALL | re.MULTILINE)
_BASE_MODEL = re.compile(
    r"^base_model:[ \t]*(?:\r?\n[ \t]*-[ \t]*)?['\"]?([\w./-]+)['\"]?[ \t]*$", re.MULTILINE
)
_NO_LIMIT = 1_000_000
"""A tokenizer whose texts may be any length says a number with thirty digits."""


@dataclass(frozen=True, slots=True)
class DenseStage:
    """A linear layer behind the pooling, out of the folder `name`."""

    name: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class SentenceFiles:
    """The stages behind an encoder, as far as anybody says them.

    `pooling` are the modes whose vectors are put together, none where nobody says. `prompts` are by
    name, `default_prompt` the name of the one that is used unasked. `longest_tokens` is of an
    input, None where only the positions bound it.
    """

    pooling: tuple[PoolingMode, ...] = ()
    normalizes: bool = True
    dense: tuple[DenseStage, ...] = ()
    prompts: Mapping[str, str] | None = None
    default_prompt: str | None = None
    longest_tokens: int | None = None


class Unservable(ValueError):
    """The files ask for a stage that is not there; the message is a sentence."""


def has_sentence_files(folder: Path) -> bool:
    """Whether the folder says of itself that it makes vectors of texts."""
    return any((folder / name).exists() for name in (MODULES_FILE, POOLING_FOLDER))


def base_model(folder: Path) -> str | None:
    """What the folder's card names as the model that it was made of, in small letters."""
    try:
        card = read_text(folder / "README.md", limit_bytes=_CARD_BYTES)
    except DamagedFile:
        return None
    front = _FRONT_MATTER.match(card)
    named = front and _BASE_MODEL.search(front[1])
    return named[1].lower() if named else None


def base_encoder(folder: Path) -> BaseEncoder | None:
    """What is known of the model that the folder's card names as its base."""
    return BASE_ENCODERS.get(base_model(folder) or "")


def read_sentence_files(folder: Path) -> SentenceFiles:
    """The stages of the model in `folder`. Raises DamagedFile, and Unservable."""
    base = base_encoder(folder) or BaseEncoder((), normalizes=True)
    pooling_folder, normalizes, dense = _stages(folder)
    pooling: tuple[PoolingMode, ...] = base.pooling
    if (folder / pooling_folder / "config.json").exists():
        pooling = _pooling(folder / pooling_folder / "config.json")
    said = _optional(folder / "config_sentence_transformers.json")
    prompts, default = said.get("prompts"), said.get("default_prompt_name")
    texts = cast("dict[object, object]", prompts) if isinstance(prompts, dict) else {}
    named = {
        name: text
        for name, text in texts.items()
        if isinstance(name, str) and isinstance(text, str) and text
    }
    return SentenceFiles(
        pooling,
        base.normalizes if normalizes is None else normalizes,
        dense,
        named or base.prompts,
        default if isinstance(default, str) and default in named else None,
        longest_input(folder, base),
    )


def _stages(folder: Path) -> tuple[str, bool | None, tuple[DenseStage, ...]]:
    """The folder of the pooling, whether vectors get the length 1, and the linear layers."""
    if not (folder / MODULES_FILE).exists():
        return POOLING_FOLDER, None, ()
    modules = read_json_value(folder / MODULES_FILE)
    if not isinstance(modules, list):
        raise DamagedFile(f"{MODULES_FILE} is not a list.")
    pooling_folder, normalizes = POOLING_FOLDER, False
    dense: list[DenseStage] = []
    for module in cast("list[object]", modules):
        fields = cast("dict[str, object]", module) if isinstance(module, dict) else {}
        whole, path = str(fields.get("type", "")), str(fields.get("path", ""))
        if not whole.startswith("sentence_transformers."):
            raise Unservable(f"Its {MODULES_FILE} names program code, {whole!r}, which is not run.")
        match whole.rpartition(".")[2]:
            case "Pooling":
                pooling_folder = _inside(path)
            case "Normalize":
                normalizes = True
            case "Dense":
                dense.append(_dense(folder, _inside(path)))
            case "Transformer":
                if path:
                    raise Unservable(f"Its weights lie in a folder of their own, {path!r}.")
            case other if other not in _WITHOUT_EFFECT:
                raise Unservable(f"Its {MODULES_FILE} has a stage {other!r}, which is not served.")
            case _:
                pass
    return pooling_folder, normalizes, tuple(dense)


def _inside(path: str) -> str:
    """`path`, which must be the name of a folder beside the weights."""
    if re.fullmatch(r"\w[\w.-]*", path) is None:
        raise DamagedFile(f"{MODULES_FILE} names the folder {path[:80]!r}.")
    return path


def _dense(folder: Path, name: str) -> DenseStage:
    config = read_json_object(folder / name / "config.json")
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS:
        raise Unservable(f"Its {name} has the activation {activation!r}, which is not served.")
    dimensions = number(config, "out_features")
    if not dimensions:
        raise DamagedFile(f"{name}/config.json has no out_features.")
    return DenseStage(name, dimensions)


def _pooling(file: Path) -> tuple[PoolingMode, ...]:
    config = read_json_object(file)
    if config.get("include_prompt") is False:
        raise Unservable("Its pooling leaves prompts out, which is not served.")
    named = config.get("pooling_mode")
    listed = cast("list[object]", named) if isinstance(named, list) else [named]
    said = [str(each) for each in listed if each is not None]
    modes: list[PoolingMode | None] = [_NAMED.get(name) for name in said]
    modes.extend(
        mode for key, mode in _MODES.items() if config.get(key) is True and mode not in modes
    )
    if not modes or None in modes:
        raise Unservable(f"Its {file.parent.name} names no way of pooling that is served.")
    return tuple(mode for mode in modes if mode is not None)


def longest_input(folder: Path, base: BaseEncoder | None = None) -> int | None:
    """Tokens of the longest text, as the files say; None where they do not. Raises DamagedFile."""
    for file in sorted(folder.glob(_LENGTH_FILES)):
        if tokens := number(_optional(file), "max_seq_length"):
            return tokens
    if base is not None and base.longest_tokens is not None:
        return base.longest_tokens
    tokens = number(_optional(folder / "tokenizer_config.json"), "model_max_length")
    return tokens if 0 < tokens < _NO_LIMIT else None


def _optional(file: Path) -> dict[str, object]:
    return read_json_object(file) if file.exists() else {}
