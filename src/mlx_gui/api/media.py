"""Fetches what a request names by an address; the one place of the API that reaches out."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlx_gui.core.blob import Content
from mlx_gui.core.public_addresses import is_public
from mlx_gui.store.uploads import RequestFiles, Uploads

if TYPE_CHECKING:  # with the library for HTTP, which a start does not wait for
    from mlx_gui.api.guarded_fetch import GuardedFetch

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, for a port; OSError where there are none."""


@dataclass(frozen=True, slots=True)
class MediaBounds:
    """What one fetch may take. With `encrypted` only https is used."""

    encrypted: bool
    most_bytes: int


async def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses that the system has for `host`, in its order. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Media:
    """Fetches pictures. `resolve` says where a name leads, `permitted` to which addresses one may
    go. `trusted` are the authorities of certificates; by default those of the system."""

    def __init__(
        self,
        uploads: Uploads,
        *,
        resolve: Resolve = resolved,
        permitted: Callable[[str], bool] = is_public,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._uploads = uploads
        self._resolve = resolve
        self._permitted = permitted
        self._trusted = trusted
        self._fetch: GuardedFetch | None = None

    async def fetch(
        self, url: str, *, where: str, bounds: MediaBounds, files: RequestFiles
    ) -> Content:
        """What is at `url`, which stands `where` in the request; `files` hold what is large.

        Raises InvalidRequest for what cannot be fetched or must not be, UnsupportedMedia for what
        is of another type, PayloadTooLarge, and StoreError or DiskFull. Whoever waits bounds the
        time.
        """
        if self._fetch is None:
            from mlx_gui.api.guarded_fetch import GuardedFetch

            self._fetch = GuardedFetch(
                self._uploads,
                resolve=self._resolve,
                permitted=self._permitted,
                trusted=self._trusted,
            )
        return await self._fetch.fetch(url, where=where, bounds=bounds, files=files)
