"""Stored responses: what requests continue, and what clients retrieve and delete."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import structlog
from fastapi import Depends

from mlx_gui.api.auth import requires
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.openai.responses.items import as_listed, kind_of
from mlx_gui.api.openai.responses.wire.request import ITEMS, InputFields, Item
from mlx_gui.api.principal import Principal
from mlx_gui.core.errors import DiskFull, InvalidRequest, NotFound
from mlx_gui.store.database import Store
from mlx_gui.store.errors import StoreError
from mlx_gui.store.responses import (
    StoredResponse,
    Turn,
    conversation,
    find_response,
    forget_response,
    keep_response,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_RESPONSE_ID = re.compile(r"resp_[0-9a-f]{32}")
_ITEM_ID = re.compile(r"[a-z]+_([0-9a-f]{32})_i?[0-9]+")


@dataclass(frozen=True, slots=True)
class Conversation:
    """The items of the stored responses that a request continues, and the request's own."""

    earlier: Sequence[Item]
    own: Sequence[Item]


class TenantResponses:
    """The stored responses of one tenant, who sees no others."""

    def __init__(self, store: Store, *, tenant: str, storing: bool, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self.tenant = tenant
        self.storing = storing
        """Whether anything is stored at all, by the setting."""

    async def conversation(self, body: InputFields) -> Conversation:
        """What `body` continues, and its own items with references replaced by what they mean.

        Raises InvalidRequest for what is not stored, or no more.
        """
        earlier: list[Item] = []
        if body.previous_response_id is not None:
            earlier = await self._earlier(body.previous_response_id)
        return Conversation(earlier, await self._resolved(body.input))

    async def keep(
        self, response: dict[str, Any], own: Sequence[Item], *, key: str
    ) -> dict[str, Any]:
        """`response` as its client gets it: with `store` false when it could not be stored."""
        created_at = datetime.fromtimestamp(response["created_at"], UTC)

        def row() -> StoredResponse:
            return StoredResponse(
                id=response["id"],
                tenant=self.tenant,
                model=response["model"],
                previous_id=response["previous_response_id"],
                created_at=created_at.isoformat(timespec="seconds"),
                input=_json(as_listed(own, key=key)),
                output=_json(response["output"]),
                body=_json({**response, "output": []}),
            )

        try:
            await self._store.write(lambda connection: keep_response(connection, row()))
        except (StoreError, DiskFull) as error:
            log.error("response_not_stored", id=response["id"], reason=error.message)
            return {**response, "store": False}
        return response

    async def find(self, id: str) -> StoredResponse:
        """Raises NotFound."""
        row = await self._store.read(
            lambda connection: find_response(connection, id, tenant=self.tenant)
        )
        if row is None:
            raise _unknown(id)
        return row

    async def forget(self, id: str) -> None:
        """Raises NotFound."""
        if not await self._store.write(
            lambda connection: forget_response(connection, id, tenant=self.tenant)
        ):
            raise _unknown(id)

    async def _earlier(self, last_id: str) -> list[Item]:
        if not _RESPONSE_ID.fullmatch(last_id):
            raise InvalidRequest(
                f"`previous_response_id` is {last_id[:80]!r}, which is no response's id.",
                hint="Send the `id` of an earlier response, which begins with resp_.",
                param="previous_response_id",
            )
        return await self._store.read(
            lambda connection: list(
                _all_items(
                    conversation(connection, last_id, tenant=self.tenant, max_bytes=self._max_bytes)
                )
            )
        )

    async def _resolved(self, items: Sequence[Item]) -> list[Item]:
        known: dict[str, Item] = {}
        searched: set[str] = set()
        resolved: list[Item] = []
        left_bytes = self._max_bytes
        for index, item in enumerate(items):
            where = f"input[{index}]"
            if kind_of(item, where=where) != "item_reference":
                resolved.append(item)
                continue
            response_id = _response_of(item.id or "")
            if response_id not in searched:
                searched.add(response_id)
                known |= await self._items_of(response_id)
            found = known.get(item.id or "")
            if found is None:
                raise _unknown_item(item.id, where)
            left_bytes -= len(found.model_dump_json())
            if left_bytes < 0:
                raise _too_much(where, self._max_bytes)
            resolved.append(found)
        return resolved

    async def _items_of(self, response_id: str) -> dict[str, Item]:
        row = await self._store.read(
            lambda connection: find_response(connection, response_id, tenant=self.tenant)
        )
        if row is None:
            return {}
        return {item.id: item for item in _items(row.input, row.output) if item.id}


async def tenant_responses(
    services: InjectedServices, who: Annotated[Principal, requires("inference")]
) -> TenantResponses:
    """The responses of whoever asks."""
    return TenantResponses(
        services.store,
        tenant=who.tenant,
        storing=services.server.config.responses_retention_days > 0,
        max_bytes=services.server.config.max_body_bytes,
    )


InjectedResponses = Annotated[TenantResponses, Depends(tenant_responses)]


def whole(row: StoredResponse) -> bytes:
    """The JSON of a stored response."""
    return _json(
        {**msgspec.json.decode(row.body), "output": msgspec.Raw(row.output.encode())}
    ).encode()


def page(
    row: StoredResponse, *, after: str | None, limit: int, newest_first: bool
) -> dict[str, Any]:
    """Some of the items that `row` was asked with. Raises InvalidRequest for an unknown `after`."""
    items: list[dict[str, Any]] = msgspec.json.decode(row.input)
    if newest_first:
        items.reverse()
    begin = 0
    if after is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise InvalidRequest(
                f"`after` is {after[:80]!r}, which is no input item of {row.id}.",
                hint="Send the `last_id` of the page before.",
                param="after",
            )
        begin = ids.index(after) + 1
    chosen = items[begin : begin + limit]
    return {
        "data": chosen,
        "first_id": chosen[0]["id"] if chosen else None,
        "last_id": chosen[-1]["id"] if chosen else None,
        "has_more": begin + limit < len(items),
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _all_items(turns: Sequence[Turn]) -> Iterator[Item]:
    for turn in turns:
        yield from _items(turn.input, turn.output)


def _items(*lists: str) -> Iterator[Item]:
    for text in lists:
        yield from ITEMS.validate_json(text)


def _response_of(item_id: str) -> str:
    """Our items carry the key of their response in their own id."""
    found = _ITEM_ID.fullmatch(item_id)
    return f"resp_{found[1]}" if found else ""


def _unknown(id: str) -> NotFound:
    return NotFound(
        f"The response {id[:80]!r} is not stored here.",
        hint="It was deleted, is too old, or was made with `store` false.",
    )


def _unknown_item(id: str | None, where: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{where}` refers to the item {(id or '')[:80]!r}, which is not stored here.",
        hint="Send the item itself.",
        param=f"{where}.id",
    )


def _too_much(where: str, max_bytes: int) -> InvalidRequest:
    return InvalidRequest(
        f"The items that `input` refers to have more than {max_bytes} bytes up to `{where}`.",
        hint="Refer to fewer; max_body_bytes bounds a conversation as it bounds a body.",
        param=where,
    )
