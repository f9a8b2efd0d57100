"""What is read before a text: a model's own prompts, by their names or by what a text is for."""

from collections.abc import Mapping

from mlx_gui.core.errors import InvalidRequest

_PURPOSES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("query", "search_query"),
        (
            "query",
            "search_query",
            "retrieval-query",
            "retrieval.query",
            "s2p_query",
            "web_search_query",
        ),
    ),
    **dict.fromkeys(
        ("passage", "document", "search_document"),
        ("document", "passage", "search_document", "retrieval-document", "retrieval.passage"),
    ),
    "classification": ("classification",),
    "clustering": ("clustering",),
}
"""Words of other servers, and what models call the prompt that is meant, in small letters."""


def prompt_text(
    prompts: Mapping[str, str], *, name: str | None, purpose: str | None, default: str | None
) -> str | None:
    """What stands before a text, maybe nothing; None where the model has no prompt for `purpose`.

    A `name` that the model does not know is refused. `default` names what is used unasked.
    """
    if name is not None:
        if name not in prompts:
            known = ", ".join(sorted(prompts)) or "none"
            raise InvalidRequest(
                f"The model has no prompt {name!r}; its prompts are: {known}.",
                hint="More can be set for a model: the setting `prompts`.",
                param="prompt_name",
            )
        return prompts[name]
    if purpose is None:
        return prompts[default] if default is not None else ""
    small = {each.lower(): text for each, text in prompts.items()}
    wanted = purpose.lower()
    return next(
        (small[each] for each in (wanted, *_PURPOSES.get(wanted, ())) if each in small), None
    )
