"""The filters of a search, as its address has them."""

import re
from typing import Annotated, get_args

from fastapi import Query

from mlx_gui.catalog.hub_facts import HubKind
from mlx_gui.catalog.hub_found import Quantization, Wanted
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import HubSort, checked_repo_id

MOST_AT_ONCE = 100
_LONGEST_QUERY = 200
_LARGEST_BYTES = 2**50
_BITS = re.compile(r"([2-8])[ -]?(?:bits?)?")


class Filters:
    """What may be asked of every list."""

    @staticmethod
    async def wanted(
        query: Annotated[
            str | None, Query(description="Part of the name.", max_length=_LONGEST_QUERY)
        ] = None,
        kind: Annotated[HubKind | None, Query(description="What the model is for.")] = None,
        author: Annotated[str | None, Query(description="Who publishes it.")] = None,
        sort: Annotated[
            HubSort | None,
            Query(description="By default `downloads` with a query, else `trending`."),
        ] = None,
        max_bytes: Annotated[
            int | None, Query(ge=1, le=_LARGEST_BYTES, description="Not larger than this.")
        ] = None,
        quantization: Annotated[
            str | None, Query(description="Like `4-bit` or `mxfp4`; `none` for full precision.")
        ] = None,
        fits: Annotated[bool, Query(description="Only what fits this machine.")] = False,
        supported: Annotated[
            bool | None,
            Query(
                description="Only what can be served; by default so, but for kinds that are not "
                "served at all."
            ),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = 20,
        cursor: Annotated[
            str | None, Query(max_length=2000, description="`next_cursor` of the page before.")
        ] = None,
    ) -> Wanted:
        """The search. Raises InvalidRequest."""
        return Wanted(
            query=_query(query),
            kind=kind,
            author=_author(author),
            sort=sort,
            max_bytes=max_bytes,
            quantization=_quantization(quantization),
            fits=fits,
            supported=supported,
            limit=limit,
            cursor=cursor or None,
        )


def _query(text: str | None) -> str | None:
    stripped = (text or "").strip()
    if not stripped.isprintable():
        raise InvalidRequest(
            "`query` has characters that no name has.", hint="Write a part of it.", param="query"
        )
    return stripped or None


def _author(text: str | None) -> str | None:
    if not text:
        return None
    try:
        if "/" not in text:
            return checked_repo_id(text)
    except InvalidRequest:
        pass
    raise InvalidRequest(
        "`author` is not a name on a hub.",
        hint="It is what stands before the slash of an id.",
        param="author",
    )


def _quantization(text: str | None) -> Quantization | None:
    if not text:
        return None
    bits = _BITS.fullmatch(text.casefold())
    written = f"{bits[1]}-bit" if bits else text.casefold()
    for known in get_args(Quantization):
        if written == known:
            return known
    raise InvalidRequest(
        "`quantization` is none that is known.",
        hint=f"One of {', '.join(get_args(Quantization))}.",
        param="quantization",
    )
