"""The licence of a model, as its publisher names it, and what one of that name allows."""

import re
from collections.abc import Mapping
from typing import Literal, cast

import msgspec

LicenceClass = Literal["permissive", "copyleft", "noncommercial", "terms"]
"""For any use; for any use whose result is shared alike; not for money; on terms of its own."""

_PERMISSIVE = re.compile(
    r"(0?bsd|mit|isc|apache|cc0|wtfpl|zlib|unlicense|ncsa|afl|artistic|ecl|ms-pl|odc-by|pddl"
    r"|postgresql|cdla-permissive)(-.*)?"
    r"|bsl-1\.0|cc-by-\d.*"
)
_COPYLEFT = re.compile(r"(a?gpl|lgpl|mpl|epl|eupl|osl|lppl|odbl|cdla-sharing|cc-by-sa)(-.*)?")
_NONCOMMERCIAL = re.compile(r".*\b(nc|non-?commercial|research|amlr)\b.*")
_UNKNOWN = ("", "unknown")
_LONGEST_NAME = 300
_LONGEST_LINK = 500


class Licence(msgspec.Struct, frozen=True):
    """A licence by its `name`, as the hub has it where it has one; `link` is a web address."""

    name: str
    link: str | None = None


def licence_class(name: str | None) -> LicenceClass | None:
    """The class of the licence `name`; None where nobody has named one.

    What is not known to be free for any use is on terms of its own.
    """
    said = (name or "").strip().casefold()
    if said in _UNKNOWN:
        return None
    if _NONCOMMERCIAL.fullmatch(said):
        return "noncommercial"
    if _COPYLEFT.fullmatch(said):
        return "copyleft"
    return "permissive" if _PERMISSIVE.fullmatch(said) else "terms"


def licence_in_card(card: Mapping[str, object]) -> Licence | None:
    """What the head of a model card names; None where it names none.

    Of several it is the first, of one that is no usual one the owner's own name for it.
    """
    said = card.get("license")
    listed = cast("list[object]", said) if isinstance(said, list) else [said]
    name = next((text for each in listed if (text := _text(each))), None)
    if name == "other":
        name = _text(card.get("license_name")) or name
    if name is None or name.casefold() in _UNKNOWN:
        return None
    return Licence(name, web_link(card.get("license_link")))


def web_link(said: object) -> str | None:
    """A web address that somebody else has written; None for anything else."""
    if not isinstance(said, str) or not said.startswith(("https://", "http://")):
        return None
    return said if len(said) <= _LONGEST_LINK and said.isprintable() else None


def _text(said: object) -> str | None:
    if not isinstance(said, str) or not 0 < len(said.strip()) <= _LONGEST_NAME:
        return None
    return said.strip() if said.isprintable() else None
