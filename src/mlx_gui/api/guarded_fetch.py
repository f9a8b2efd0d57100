"""One fetch of what a request names by an address.

Whoever may ask this server chooses the address, so nothing may be reached by it that they could not
reach themselves. A name is resolved once and the connection goes to that address; all of a name's
addresses have to be permitted, and after a redirect all is checked again. There are no proxies, no
cookies and no credentials.
"""

import ssl
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urljoin

import httpx
import structlog

from mlx_gui.api.media import MediaBounds, Resolve
from mlx_gui.core.blob import Content
from mlx_gui.core.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from mlx_gui.core.picture_formats import TAKEN
from mlx_gui.fetch.authorities import authorities
from mlx_gui.store.uploads import Incoming, RequestFiles, Uploads
from mlx_gui.version import __version__

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MAX_REDIRECTS = 3
MAX_URL_CHARACTERS = 8192
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STEP_BYTES = 256 * 1024
_CONNECT_S = 5.0
_ADDRESSES_TRIED = 3
_UNTYPED = ("", "application/octet-stream", "binary/octet-stream")


class GuardedFetch:
    """Fetches, one after the other or at once. See `media.py:Media`, whose arguments it has."""

    def __init__(
        self,
        uploads: Uploads,
        *,
        resolve: Resolve,
        permitted: Callable[[str], bool],
        trusted: ssl.SSLContext | None,
    ) -> None:
        self._uploads = uploads
        self._resolve = resolve
        self._permitted = permitted
        self._trusted = authorities() if trusted is None else trusted

    async def fetch(
        self, url: str, *, where: str, bounds: MediaBounds, files: RequestFiles
    ) -> Content:
        """As `Media.fetch`."""
        began_s = time.monotonic()
        errand = _Errand(where, bounds)
        place = errand.parsed(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._answer(place, errand) as response:
                location = response.extensions["location"]
                if response.status_code not in _REDIRECTS or not location:
                    errand.check_head(response)
                    content = await self._kept(response, errand, files)
                    log.info(
                        "media_fetched",
                        host=place.raw_host.decode("ascii"),
                        duration_ms=round((time.monotonic() - began_s) * 1000, 1),
                    )
                    return content
            place = errand.redirected(place, location)
        raise errand.refused(f"it leads on more than {MAX_REDIRECTS} times")

    @asynccontextmanager
    async def _answer(self, place: httpx.URL, errand: "_Errand") -> AsyncGenerator[httpx.Response]:
        """The head of what the server at `place` says, asked at an address that was checked."""
        addresses = await self._addresses(place, errand)
        client = httpx.AsyncClient(
            verify=self._trusted,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=_CONNECT_S),
            event_hooks={"response": [_take_location]},
        )
        async with client:
            response = await self._connected(client, place, addresses, errand)
            try:
                yield response
            finally:
                await response.aclose()

    async def _addresses(self, place: httpx.URL, errand: "_Errand") -> Sequence[str]:
        try:
            found = await self._resolve(place.raw_host.decode("ascii"), _port_of(place))
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise errand.refused("there is no such host")
        if not all(map(self._permitted, found)):
            # Which address it is says something of a network that is not the asker's.
            raise errand.refused("it leads into a network that is not public")
        return found[:_ADDRESSES_TRIED]

    async def _connected(
        self,
        client: httpx.AsyncClient,
        place: httpx.URL,
        addresses: Sequence[str],
        errand: "_Errand",
    ) -> httpx.Response:
        """The first answer of the `addresses` of `place`; to them alone a connection is made."""
        failure: Exception | None = None
        for address in addresses:
            request = client.build_request(
                "GET",
                place.copy_with(host=address),
                headers={
                    "host": place.netloc.decode("ascii"),
                    "user-agent": f"mlx-gui/{__version__}",
                    "accept": "image/*",
                    "accept-encoding": "identity",
                },
                extensions={"sni_hostname": place.raw_host.decode("ascii")},
            )
            try:
                return await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
                raise errand.refused(_words(error)) from error
        raise errand.refused("it cannot be reached" if failure is None else _words(failure))

    async def _kept(
        self, response: httpx.Response, errand: "_Errand", files: RequestFiles
    ) -> Content:
        incoming = Incoming(files)
        pieces, held_bytes, all_bytes = list[bytes](), 0, 0
        try:
            async for piece in response.aiter_raw():
                all_bytes += len(piece)
                if all_bytes > errand.bounds.most_bytes:
                    raise errand.too_large()
                pieces.append(piece)
                held_bytes += len(piece)
                if held_bytes >= _STEP_BYTES:
                    await self._uploads.aside(partial(incoming.write, b"".join(pieces)))
                    pieces, held_bytes = [], 0
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise errand.refused(f"the connection broke ({_words(error)})") from error
        await self._uploads.aside(partial(incoming.write, b"".join(pieces)))
        return await self._uploads.aside(incoming.complete)


@dataclass(frozen=True, slots=True)
class _Errand:
    """What is fetched, and how a refusal of it reads."""

    where: str
    bounds: MediaBounds

    def parsed(self, url: str) -> httpx.URL:
        """`url`, checked as far as it says by itself where it leads."""
        if len(url) > MAX_URL_CHARACTERS:
            raise self.refused(f"it has more than {MAX_URL_CHARACTERS} characters")
        try:
            place = httpx.URL(url)
        except (httpx.InvalidURL, ValueError, TypeError):
            raise self.refused("it is none") from None
        if not 0 < _port_of(place) < 1 << 16:
            raise self.refused(f"there is no port {_port_of(place)}")
        # The name as it is sent: what it stands for may be nothing (xn--).
        if place.scheme not in _PORTS or not place.raw_host:
            raise self.refused("it does not begin with http:// or https:// and a host")
        if self.bounds.encrypted and place.scheme != "https":
            raise self.refused("it is not encrypted (https)")
        if place.userinfo:
            raise self.refused("it has a user's name in it, and nobody is told who asks")
        return place

    def redirected(self, place: httpx.URL, location: str) -> httpx.URL:
        """Where `location` leads from `place`."""
        try:
            target = self.parsed(urljoin(str(place), location))
        except ValueError:
            raise self.refused("it leads on to something that is no address") from None
        if place.scheme == "https" and target.scheme != "https":
            raise self.refused("it leads on without encryption")
        return target

    def check_head(self, response: httpx.Response) -> None:
        """Raises for an answer that brings no picture of a size that is taken."""
        if not response.is_success:
            raise self.refused(f"it answered {response.status_code}")
        encoding = response.headers.get("content-encoding", "").lower()
        if encoding not in ("", "identity"):
            raise self.refused(f"it answered compressed ({encoding[:20]})")
        type_ = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if type_ not in _UNTYPED and not type_.startswith("image/"):
            raise UnsupportedMedia(
                f"`{self.where}` is the address of {type_[:60]}, not of a picture.",
                hint=f"Send the address of {TAKEN}.",
                details={"param": self.where},
            )
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self.bounds.most_bytes:
            raise self.too_large()

    def refused(self, reason: str) -> InvalidRequest:
        return InvalidRequest(
            f"`{self.where}` is an address that nothing is fetched from: {reason}.",
            hint="Send the picture itself as a data URL, or the address of one that is public.",
            param=self.where,
        )

    def too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"`{self.where}` is the address of more than {self.bounds.most_bytes} bytes, the most "
            "that this server takes of a picture.",
            hint="Raise max_picture_bytes, or send it smaller.",
            details={"param": self.where},
        )


async def _take_location(response: httpx.Response) -> None:
    """Keeps the library from looking at where a redirect leads: that is looked at here."""
    response.extensions["location"] = response.headers.pop("location", "")


def _port_of(place: httpx.URL) -> int:
    return _PORTS.get(place.scheme, 1) if place.port is None else place.port


def _words(error: BaseException) -> str:
    """What went wrong, without addresses that the asker need not know."""
    if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE" in str(error):
        return "its certificate is not to be believed"
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return "it cannot be reached"
    return type(error).__name__
