"""What the folder of an installed model has for people to read: card, licence, chat template.

Strangers have written it. It is handed on as text, and nothing of it is run.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mlx_gui.catalog.needed import CARD
from mlx_gui.core.model import Model
from mlx_gui.kinds.checkpoint import DamagedFile, read_beginning, read_json_object

CARD_BYTES = 256 * 1024
LICENCE_BYTES = 128 * 1024

_LICENCES = ("LICENSE", "LICENSE.TXT", "LICENSE.MD", "LICENCE")
_TEMPLATE = "chat_template.jinja"
_TEMPLATES = ("tokenizer_config.json", "chat_template.json")
_TEMPLATE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A chat template, and the file of the model's folder that has it."""

    text: str
    file: str


def card_of(model: Model) -> str | None:
    """How its card begins, in Markdown; None where there is none that can be read."""
    folder = _own_folder(model)
    return None if folder is None else card_in(folder)


def licence_text_of(model: Model) -> str | None:
    """How its licence begins; None where there is none that can be read."""
    folder = _own_folder(model)
    return None if folder is None else licence_text_in(folder)


def card_in(folder: Path, *, limit_bytes: int = CARD_BYTES) -> str | None:
    """How the card in `folder` begins; None where there is none that can be read."""
    return _text(folder / CARD, limit_bytes)


def licence_text_in(folder: Path, *, limit_bytes: int = LICENCE_BYTES) -> str | None:
    """How the licence in `folder` begins; None where there is none that can be read."""
    try:
        name = licence_file(each.name for each in folder.iterdir())
    except OSError:
        return None
    return None if name is None else _text(folder / name, limit_bytes)


def licence_file(names: Iterable[str]) -> str | None:
    """The one of `names` that a licence stands in."""
    return next((name for name in sorted(names) if name.upper() in _LICENCES), None)


def stored_template(model: Model) -> StoredTemplate | None:
    """Its chat template as it lies in the folder; None where there is none that can be read."""
    if not model.path:
        return None
    folder = Path(model.path)
    with suppress(UnicodeDecodeError):
        content = _beginning(folder / _TEMPLATE, _TEMPLATE_BYTES)
        # Others that read it take no template that is not all UTF-8.
        if content:
            return StoredTemplate(content.decode(), _TEMPLATE)
    for name in _TEMPLATES:
        with suppress(DamagedFile):
            if text := _default(read_json_object(folder / name).get("chat_template")):
                return StoredTemplate(text, name)
    return None


def _own_folder(model: Model) -> Path | None:
    """Of a model with an adapter that of the adapter; None for one that lies in no folder."""
    place = model.adapter or model.path
    return Path(place) if place else None


def _text(path: Path, limit_bytes: int) -> str | None:
    content = _beginning(path, limit_bytes)
    return None if content is None else content.decode("utf-8", "replace")


def _beginning(path: Path, limit_bytes: int) -> bytes | None:
    # What is no file, like a pipe, might be waited for.
    with suppress(OSError, DamagedFile):
        if path.is_file():
            return read_beginning(path, limit_bytes=limit_bytes)
    return None


def _default(found: object) -> str:
    """A template is a string, or one of several with names, of which `default` counts."""
    if isinstance(found, list):
        for each in cast(list[object], found):
            named = cast(dict[str, object], each) if isinstance(each, dict) else {}
            if named.get("name") == "default":
                return _default(named.get("template"))
    return found if isinstance(found, str) else ""
