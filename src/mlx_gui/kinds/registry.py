"""All kinds, which of them a folder is, and what a message may carry of theirs."""

import re
from collections.abc import Iterable
from fnmatch import translate
from pathlib import Path
from typing import Any, Union

import msgspec

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import Kind, KindOptions, ModelFacts
from mlx_gui.kinds.base import ModelKind, Recognised
from mlx_gui.kinds.checkpoint import DamagedFile, read_json_object
from mlx_gui.kinds.embedding import EmbeddingKind
from mlx_gui.kinds.reranker import RerankerKind
from mlx_gui.kinds.speech import SpeechKind
from mlx_gui.kinds.text import TextKind
from mlx_gui.kinds.transcription import TranscriptionKind
from mlx_gui.kinds.unserved import unserved_kind
from mlx_gui.kinds.vision import VisionKind

KINDS: tuple[ModelKind, ...] = (
    EmbeddingKind(),
    RerankerKind(),
    TranscriptionKind(),
    SpeechKind(),
    VisionKind(),
    TextKind(),
)
"""The one table of them."""

_CARRIED: dict[type, Any] = {
    WorkerRequest: Union[tuple(each for kind in KINDS for each in kind.requests)],  # noqa: UP007
    KindOptions: Union[tuple(kind.options for kind in KINDS)],  # noqa: UP007
}
"""All that the kinds have, by the class that stands for it in a message."""

_WEIGHT_FILE = re.compile(
    "|".join(translate(pattern) for kind in KINDS for pattern in kind.weight_files)
).match


def kind_of(name: Kind) -> ModelKind:
    """The kind that facts name."""
    return next(kind for kind in KINDS if kind.name == name)


def engine_of(name: Kind, *, fake: bool) -> str:
    """Import path of the engine module for the kind `name`; with `fake`, of its scripted double."""
    return f"mlx_gui.engines.fake.{name}" if fake else kind_of(name).engine


def read_carried(wanted: type, value: object) -> object:
    """What a message carries where a request or options stand, as the kind that has them knows it.

    A decoding hook of msgspec's; raises its ValidationError for what no kind knows.
    """
    return msgspec.convert(value, _CARRIED[wanted])


def read_facts(content: bytes) -> ModelFacts | None:
    """Facts that were kept as JSON; None for what this version would not have written."""

    def own_of(_: type, value: object) -> object:
        return msgspec.convert(value, kind_of(named.kind).facts)

    try:
        named = msgspec.json.decode(content, type=_Named)
        return msgspec.json.decode(content, type=ModelFacts, dec_hook=own_of)
    except (msgspec.DecodeError, StopIteration):
        return None


class _Named(msgspec.Struct):
    kind: Kind


def has_weights(files: Iterable[str]) -> bool:
    """Whether one of the names is that of a kind's weights."""
    return any(_WEIGHT_FILE(name) for name in files)


def recognise(folder: Path) -> Recognised:
    """What the model folder is; every folder gets facts, a problem, or both."""
    try:
        config = read_json_object(folder / "config.json")
    except DamagedFile as damage:
        return Recognised(None, str(damage))
    for kind in KINDS:
        if recognised := kind.recognise(folder, config):
            return recognised
    if unserved := unserved_kind(config):
        return Recognised(None, f"This is {unserved}, which mlx-gui does not serve yet.")
    return Recognised(None, "Its config.json names no model_type, so nobody can tell what it is.")
