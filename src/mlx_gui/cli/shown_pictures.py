"""Pictures that are asked about: files that are named, and paths that are dragged into a chat."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlx_gui.core.picture_formats import HEAD_BYTES, TAKEN, picture_format

_WORD = re.compile(r"""(?<!\S)(?:'[^']+'|"[^"]+"|(?:\\.|[^\s\\'"])+)""")
_BEGINNINGS = ("/", "~/", "./", "../", "file://")
_SUFFIXES = frozenset(
    {
        ".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jp2", ".jpeg", ".jpg", ".jxl", ".png",
        ".psd", ".svg", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip


class Unshowable(Exception):
    """A file that cannot be shown; its text says why."""


def data_url(path: Path) -> str:
    """The picture in a file, as a model is sent it. Raises Unshowable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unshowable(f"{path} cannot be read: {error.strerror}.") from None
    found = picture_format(data[:HEAD_BYTES])
    if not data or not found.codec:
        what = found.name if data else "empty"
        raise Unshowable(f"{path} is no picture that can be shown: it is {what}. Take {TAKEN}.")
    return f"data:image/{found.codec.lower()};base64,{base64.b64encode(data).decode()}"


def dragged(line: str) -> tuple[str, Sequence[Path]]:
    """What is typed without the paths of pictures in it, and these paths.

    A terminal writes what is dragged into it in quotes, or with a backslash before each space. What
    begins as a path and names no file that could be meant as a picture stays in the text.
    """
    paths: list[Path] = []

    def taken(match: re.Match[str]) -> str:
        path = _path(match[0])
        if path is None or not _meant_as_picture(path):
            return match[0]
        paths.append(path)
        return ""

    text = _WORD.sub(taken, line)
    return (re.sub(r"[ \t]{2,}", " ", text).strip() if paths else line), paths


def _path(word: str) -> Path | None:
    plain = word[1:-1] if word[0] in "'\"" else re.sub(r"\\(.)", r"\1", word)
    if not plain.startswith(_BEGINNINGS):
        return None
    if plain.startswith("file://"):
        plain = unquote(urlsplit(plain).path)
    try:
        return Path(plain).expanduser()
    except RuntimeError:
        return None


def _meant_as_picture(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return False
    return bool(picture_format(head).codec) or path.suffix.lower() in _SUFFIXES
