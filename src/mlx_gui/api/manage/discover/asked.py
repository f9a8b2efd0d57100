"""The filters of a search, as its address has them."""

import re
from typing import get_args

from pydantic import BaseModel, Field

from mlx_gui.catalog.hub_facts import HubKind
from mlx_gui.catalog.hub_found import Quantization, Wanted
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import HubSort, checked_repo_id
from mlx_gui.core.licence import LicenceClass

MOST_AT_ONCE = 100
_LONGEST_QUERY = 200
_LARGEST_BYTES = 2**50
_BITS = re.compile(r"([2-8])[ -]?(?:bits?)?")


class Filters(BaseModel):
    """What may be asked of every list."""

    query: str | None = Field(None, max_length=_LONGEST_QUERY, description="Part of the id.")
    kind: HubKind | None = Field(None, description="What the model is for.")
    author: str | None = Field(None, description="Who publishes it.")
    sort: HubSort | None = Field(
        None, description="By default `downloads` with a query, else `trending`."
    )
    max_bytes: int | None = Field(
        None, ge=1, le=_LARGEST_BYTES, description="Not larger than this."
    )
    quantization: str | None = Field(
        None, description="Like `4-bit` or `mxfp4`; `none` for full precision."
    )
    license: LicenceClass | None = Field(
        None,
        description="`permissive` is for any use, `copyleft` for any whose result is shared alike, "
        "`noncommercial` not for money, `terms` on terms of its own.",
    )
    fits: bool = Field(False, description="Only what fits this machine.")
    supported: bool | None = Field(
        None,
        description="Only what can be served; by default so, but for kinds that are not served at "
        "all.",
    )
    limit: int = Field(20, ge=1, le=MOST_AT_ONCE)
    cursor: str | None = Field(
        None, max_length=2000, description="`next_cursor` of the page before."
    )

    def wanted(self) -> Wanted:
        """The search. Raises InvalidRequest."""
        return Wanted(
            query=_query(self.query),
            kind=self.kind,
            author=_author(self.author),
            sort=self.sort,
            max_bytes=self.max_bytes,
            quantization=_quantization(self.quantization),
            licence=self.license,
            fits=self.fits,
            supported=self.supported,
            limit=self.limit,
            cursor=self.cursor or None,
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
