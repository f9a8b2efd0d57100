"""One range of one file, asked of a hub and of wherever it sends us."""

import email.utils
import re
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
import msgspec

from mlx_gui.core.errors import (
    FetchFailed,
    GatedModel,
    HubAnswer,
    HubUnreachable,
    MlxGuiError,
    ModelNotOnHub,
)
from mlx_gui.fetch.addresses import Border, origin_of
from mlx_gui.fetch.authorities import authorities

_MOST_HOPS = 8
_CONNECT_S = 10.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({408, 425, 429})
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE | re.ASCII)
_LONGEST_WAIT_S = 86_400


class Expired(Exception):
    """Where the hub had sent us does not let us in any more; it must be asked anew."""


class Misfit(Exception):
    """What came is not what was asked for; asked another way, it may be."""

    def __init__(self, error: HubAnswer) -> None:
        super().__init__(error.message)
        self.error = error


class Answer(msgspec.Struct):
    """What came: the bytes from `start` on, of a file of `total_bytes` as far as that was said.

    `whole` says that the range was not heeded. `etag` is that of whoever gave the bytes.
    """

    response: httpx.Response
    start: int
    whole: bool
    etag: str | None
    total_bytes: int | None

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come. Raises FetchFailed when they end by an accident."""
        try:
            yield from self.response.iter_bytes()
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise FetchFailed(
                f"The connection to {self.response.url.host} broke: {_words(error)}.",
                hint="Try again; what has come so far is kept.",
            ) from error


class Asker:
    """Asks a hub at `endpoint`; safe to use from several threads.

    Redirects are followed by hand, so that the token stays with the hub and nobody is led where
    nothing is to be fetched.
    """

    def __init__(
        self, endpoint: str, *, token: str | None, agent: str, silence_s: float, connections: int
    ) -> None:
        self._border = Border(endpoint)
        self._token = token
        self._agent = agent
        self._found: dict[str, httpx.URL] = {}
        self._lock = threading.Lock()
        self._http = httpx.Client(
            follow_redirects=False,
            event_hooks={"response": [_take_location]},
            verify=authorities(),
            timeout=httpx.Timeout(silence_s, connect=min(_CONNECT_S, silence_s)),
            limits=httpx.Limits(
                max_connections=connections + 2, max_keepalive_connections=connections + 2
            ),
        )

    @property
    def border(self) -> Border:
        """What checks addresses that are given by what was asked."""
        return self._border

    def close(self) -> None:
        self._http.close()

    def forget(self, url: str) -> None:
        """Ask the hub itself the next time."""
        with self._lock:
            self._found.pop(url, None)

    @contextmanager
    def open(
        self, url: str, *, span: tuple[int, int] | None = None, validator: str | None = None
    ) -> Generator[Answer]:
        """The bytes of `span`, which is half open, or the whole. Raises Expired, Misfit.

        Raises HubUnreachable, FetchFailed and HubAnswer where another try may help or not, and
        GatedModel and ModelNotOnHub.
        """
        headers = {"accept-encoding": "identity"}
        if span is not None:
            headers["range"] = f"bytes={span[0]}-{span[1] - 1}"
            if validator is not None and not validator.startswith("W/"):
                headers["if-range"] = validator
        response = self._reach(url, headers)
        try:
            yield _read_head(response, span)
        finally:
            response.close()

    @contextmanager
    def open_at(
        self,
        place: httpx.URL,
        *,
        span: tuple[int, int],
        key: str | None = None,
        ranged: bool = True,
    ) -> Generator[Answer]:
        """What lies at an address that is not the hub's to give; `border` has let it pass.

        `key` goes there, in the place of our token, and nowhere else. With `ranged` the answer is
        bytes of `span`; else `span` is of something that the answer is about. Raises as `open`.
        """
        headers = {
            "accept-encoding": "identity", "range": f"bytes={span[0]}-{span[1] - 1}"
        }  # fmt: skip
        response, _, _ = self._follow(place, headers, key=key)
        try:
            if not response.is_success:
                error = _refusal(response, is_hub=False)
                if response.status_code in (401, 403):
                    raise Expired from error
                if response.status_code in (404, 410):
                    raise HubAnswer(f"{error.message} It has not got the file.") from error
                raise error
            yield _read_head(response, span if ranged else None)
        finally:
            response.close()

    def _reach(self, url: str, headers: dict[str, str]) -> httpx.Response:
        with self._lock:
            shortcut = self._found.get(url)
        response, place, hops = self._follow(shortcut or httpx.URL(url), headers)
        if response.is_success:
            with self._lock:
                self._found[url] = place
            return response
        error = _refusal(response, is_hub=self._border.is_hub(place))
        response.close()
        if response.status_code == 416:
            self.forget(url)
            raise Misfit(
                HubAnswer(f"{place.host} says that the file is shorter than it should be.")
            )
        if shortcut is not None or (hops and response.status_code in (401, 403, 404, 410)):
            self.forget(url)
            if not _is_busy(response.status_code):
                raise Expired from error
        raise error

    def _follow(
        self, place: httpx.URL, headers: dict[str, str], *, key: str | None = None
    ) -> tuple[httpx.Response, httpx.URL, int]:
        """The first answer that is no redirect, who gave it, and how many there were before it."""
        home = origin_of(place)
        for hops in range(_MOST_HOPS):
            keyed = key is not None and origin_of(place) == home
            authorized = {"authorization": f"Bearer {key}"} if keyed else {}
            response = self._send(place, {**headers, **authorized})
            if response.status_code not in _REDIRECTS:
                return response, place, hops
            location = response.extensions["location"]
            response.close()
            place = self._border.follow(place, location)
        raise HubAnswer(
            f"The hub sends us around in a circle ({_MOST_HOPS} redirects).",
            hint="Check the setting hub_endpoint.",
        )

    def _send(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        sent = {"user-agent": self._agent, **headers}
        if self._token is not None and self._border.is_hub(url):
            sent.setdefault("authorization", f"Bearer {self._token}")
        try:
            return self._http.send(self._http.build_request("GET", url, headers=sent), stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise HubUnreachable(
                f"{url.host} cannot be reached: {_words(error)}.",
                hint="Check the network, the proxy variables and the setting hub_endpoint.",
            ) from error


def _read_head(response: httpx.Response, span: tuple[int, int] | None) -> Answer:
    """Raises Misfit for a range that is not the one that was asked for."""
    encoded = response.headers.get("content-encoding", "identity").lower() not in ("", "identity")
    etag = response.headers.get("etag")
    if response.status_code == 206 and span is not None:
        found = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if found is None or encoded or int(found[1]) != span[0]:
            raise Misfit(
                HubAnswer(
                    f"{response.url.host} gave other bytes than the range that was asked for.",
                    hint="Something between here and the hub changes what it says.",
                )
            )
        total = None if found[3] == "*" else int(found[3])
        return Answer(response, span[0], False, etag, total)
    length = response.headers.get("content-length", "")
    # What is packed has another length than the file.
    total = int(length) if length.isdecimal() and not encoded else None
    return Answer(response, 0, True, etag, total)


def _refusal(response: httpx.Response, *, is_hub: bool) -> MlxGuiError:
    host, status = response.url.host, response.status_code
    code = response.headers.get("x-error-code", "")
    written = response.headers.get("x-error-message", "")[:200]
    said = "".join(each for each in written if each.isprintable())
    if is_hub and (status in (401, 403) or code == "GatedRepo"):
        return GatedModel(
            f"The hub does not give this file: {said or f'it answered {status}'}.",
            hint="Open the model's page on the hub and accept its terms, and set hub_token to a "
            "token of the same account.",
        )
    if is_hub and status in (404, 410):
        return ModelNotOnHub(
            f"The hub has not got this file any more: {said or f'it answered {status}'}.",
            hint="The repo may have been removed or made private.",
        )
    answered = f"{host} answered {status}{f' ({said})' if said else ''}."
    if _is_busy(status):
        return HubUnreachable(
            answered,
            hint="Try again later; what has come so far is kept.",
            retry_after_s=_told_wait_s(response),
        )
    return FetchFailed(answered, hint="Try again later; what has come so far is kept.")


def _take_location(response: httpx.Response) -> None:
    """Keeps the library from looking at where a redirect leads: that is looked at here."""
    response.extensions["location"] = response.headers.pop("location", "")


def _is_busy(status: int) -> bool:
    return status in _BUSY or status >= 500


def _told_wait_s(response: httpx.Response) -> int | None:
    """What Retry-After says, in seconds or as a date; no more than a day is believed."""
    told = response.headers.get("retry-after", "").strip()
    if told.isdecimal():
        return min(int(told[:9]), _LONGEST_WAIT_S)
    parsed = email.utils.parsedate_tz(told)
    if parsed is None:
        return None
    try:
        wait_s = round(email.utils.mktime_tz(parsed) - time.time())
    except (ValueError, OverflowError):
        # A date of no calendar.
        return None
    return min(max(0, wait_s), _LONGEST_WAIT_S)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
