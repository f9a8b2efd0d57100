"""What the licence of a model allows, by the name that the hub has for it."""

import re
from typing import Literal

LicenceClass = Literal["permissive", "copyleft", "noncommercial", "terms"]
"""For any use; for any use whose result is shared alike; not for money; on terms of its own."""

_PERMISSIVE = re.compile(
    r"(0?bsd|mit|isc|apache|cc0|wtfpl|zlib|unlicense|ncsa|afl|artistic|ecl|ms-pl|odc-by|pddl"
    r"|postgresql|cdla-permissive)(-.*)?"
    r"|bsl-1\.0|cc-by-\d.*"
)
_COPYLEFT = re.compile(r"(a?gpl|lgpl|mpl|epl|eupl|osl|lppl|odbl|cdla-sharing|cc-by-sa)(-.*)?")
_NONCOMMERCIAL = re.compile(r".*\b(nc|non-?commercial|research|amlr)\b.*")


def licence_class(name: str | None) -> LicenceClass | None:
    """The class of the licence `name`; None where nobody has named one.

    What is not known to be free for any use is on terms of its own.
    """
    said = (name or "").strip().casefold()
    if said in ("", "unknown"):
        return None
    if _NONCOMMERCIAL.fullmatch(said):
        return "noncommercial"
    if _COPYLEFT.fullmatch(said):
        return "copyleft"
    return "permissive" if _PERMISSIVE.fullmatch(said) else "terms"
