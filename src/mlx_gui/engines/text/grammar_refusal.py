"""Why a grammar cannot be enforced, in words for whoever sent it."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Grammar, GrammarKind

_REASON_CHARACTERS = 300

NAMES: dict[GrammarKind, str] = {
    "json_object": "JSON object",
    "json_schema": "JSON schema",
    "regex": "regex",
    "lark": "Lark grammar",
}
IN_SCHEMA = "at 1(8): failed to compile JSON schema: "
"""What llguidance begins with where the whole grammar is a schema."""
_UNKNOWN_KEYWORDS = re.compile(r"Unimplemented keys: (\[.*?\])")
_MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_VALUES = frozenset({"enum", "const", "default", "examples"})


def refusal(grammar: Grammar, error: str) -> InvalidRequest:
    """What llguidance says of `grammar` in `error`, as a client can use it."""
    name = NAMES[grammar.kind]
    unknown = _UNKNOWN_KEYWORDS.search(error)
    if unknown is not None:
        keywords: list[str] = json.loads(unknown[1])
        is_schema = grammar.kind == "json_schema"
        places = [*_places(json.loads(grammar.text), keywords)] if is_schema else []
        return unenforceable(name, places or keywords, keywords)
    error = error.removeprefix(IN_SCHEMA)
    if error.startswith("oneOf"):
        return InvalidRequest(
            f"The {name} uses oneOf where two branches may match, which cannot be enforced.",
            hint="Write anyOf instead, or give each branch a property with another const.",
            details={"keywords": "oneOf"},
        )
    if error.startswith("Expecting object"):
        error = "it is not a JSON object"
    if grammar.kind == "regex":
        # What goes before names a place in a grammar that was made around it.
        error = error[max(error.find("regex parse error"), 0) :]
    return InvalidRequest(
        f"The {name} cannot be enforced: {reason_of(error)}", hint="Correct or simplify it."
    )


def unenforceable(name: str, places: Sequence[str], keywords: Sequence[str] = ()) -> InvalidRequest:
    """That `places` in the grammar called `name` cannot be enforced; `keywords` stand there."""
    known = dict.fromkeys(keywords or (place.rpartition("/")[2] for place in places))
    return InvalidRequest(
        f"The {name} uses what cannot be enforced: {_short(', '.join(places))}.",
        hint="Leave it away and check the answer yourself, or say the same in other words.",
        details={"keywords": ", ".join(known)},
    )


def reason_of(error: str) -> str:
    """What llguidance says in several lines and pictures, in one sentence."""
    if error.startswith("NoExtension"):
        return "nothing matches it."
    first, *more = [line.strip() for line in error.splitlines() if line.strip()]
    causes = [line.removeprefix("error: ") for line in more if line.startswith("error: ")]
    return _short(" ".join([first, *causes]).rstrip(".")) + "."


def _places(node: Any, keywords: Collection[str], place: str = "#") -> Iterator[str]:
    """Where in a schema the keywords stand, as paths from its root."""
    if isinstance(node, list):
        for index, member in enumerate(node):
            yield from _places(member, keywords, f"{place}/{index}")
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        here = f"{place}/{key}"
        if key in keywords:
            yield here
        elif key in _MAPS_OF_SCHEMAS and isinstance(value, dict):
            for name, schema in value.items():
                yield from _places(schema, keywords, f"{here}/{name}")
        elif key not in _VALUES:
            yield from _places(value, keywords, here)


def _short(text: str) -> str:
    cut = len(text) > _REASON_CHARACTERS
    return f"{text[:_REASON_CHARACTERS]}…" if cut else text
