"""The licence that a folder names: in the head of its card, or by the title of its LICENSE.

Nothing is guessed: a text whose title is not known names no licence, and it can be read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mlx_gui.catalog.model_texts import card_in, licence_text_in
from mlx_gui.core.licence import Licence, licence_in_card

_HEAD_BYTES = 16 * 1024
_TITLE_BYTES = 512
_HEAD = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_KEY = re.compile(r"([A-Za-z_][\w-]*)[ \t]*:(?:[ \t]+(.*))?")
_ITEM = re.compile(r"[ \t]*-[ \t]+(.*)")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_NO_PLAIN_VALUE = ("|", ">", "&", "*", "!", "{", "%", "@")
"""What begins with one of these is more of YAML than anybody needs to name a licence."""
_TITLES = {
    r"apache license,? version 2\.0,? january 2004": "apache-2.0",
    r"(the )?mit licen[sc]e( \(mit\))?": "mit",
    r"bsd 2-clause licen[sc]e": "bsd-2-clause",
    r"bsd 3-clause licen[sc]e": "bsd-3-clause",
    r"gnu general public license version 3, 29 june 2007": "gpl-3.0",
    r"gnu affero general public license version 3, 19 november 2007": "agpl-3.0",
    r"gnu lesser general public license version 3, 29 june 2007": "lgpl-3.0",
    r"mozilla public license,? version 2\.0": "mpl-2.0",
    r"(creative commons )?attribution 4\.0 international( \(cc by 4\.0\))?": "cc-by-4.0",
    r"(creative commons )?attribution-noncommercial 4\.0 international( \(cc by-nc 4\.0\))?":
        "cc-by-nc-4.0",
    r"(creative commons )?attribution-sharealike 4\.0 international( \(cc by-sa 4\.0\))?":
        "cc-by-sa-4.0",
    r"llama 2 community license agreement": "llama2",
    r"(meta )?llama 3 community license agreement": "llama3",
    r"llama 3\.1 community license agreement": "llama3.1",
    r"llama 3\.2 community license agreement": "llama3.2",
    r"llama 3\.3 community license agreement": "llama3.3",
    r"gemma terms of use": "gemma",
}  # fmt: skip
"""How the texts of known licences begin, in one or two lines, and what the hub calls them."""
_RULE = re.compile(r"[\W_]*")


def licence_in(folder: Path) -> Licence | None:
    """The licence that the folder of a model names; None where nothing of it does."""
    card = card_in(folder, limit_bytes=_HEAD_BYTES) or ""
    named = licence_in_card(card_head(card))
    if named is not None:
        return named
    name = licence_titled(licence_text_in(folder, limit_bytes=_TITLE_BYTES) or "")
    return None if name is None else Licence(name)


def card_head(card: str) -> dict[str, object]:
    """The plain texts, and lists of such, in the head of a card; anything else is left out."""
    found: dict[str, object] = {}
    head = _HEAD.match(card)
    items: list[str] = []
    for line in head[1].splitlines() if head else ():
        if key := _KEY.fullmatch(line.rstrip()):
            items = []
            value = (key[2] or "").strip()
            if value.startswith("[") and value.endswith("]"):
                found[key[1]] = [_plain(each) for each in value[1:-1].split(",")]
            else:
                found[key[1]] = _plain(value) or items
        elif item := _ITEM.fullmatch(line.rstrip()):
            items.append(_plain(item[1]))
    return found


def licence_titled(text: str) -> str | None:
    """The name of the licence whose text begins so; None for a title that is not known."""
    lines = list(_titles(text))[:2]
    for title in (" ".join(lines), *lines[:1]):
        for pattern, name in _TITLES.items():
            if re.fullmatch(pattern, title):
                return name
    return None


def _titles(text: str) -> Iterator[str]:
    """Lines with words, without what Markdown or a drawn line has around them."""
    for line in text.splitlines():
        words = " ".join(line.strip(" \t#*=-_").casefold().split())
        if not _RULE.fullmatch(words):
            yield words


def _plain(value: str) -> str:
    """The text of a plain or quoted value; empty for anything else."""
    value = value.strip()
    for quote in ('"', "'"):
        if value.startswith(quote):
            return value[1:].partition(quote)[0]
    if value.startswith(_NO_PLAIN_VALUE):
        return ""
    value = _COMMENT.sub("", value).strip()
    return "" if value in ("null", "~") else value
