"""The hub: the one module that speaks to it, through huggingface_hub.

All of it happens in threads of its own. What a stranger at the other end may do is bounded: how
long an answer takes, how large it is, and where a redirect leads, which is the same address only,
so that the token goes nowhere else and nothing inside of this network is asked.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from mlx_gui.catalog.hub_answers import Answer, HubAnswers, Key
from mlx_gui.catalog.hub_errors import named_hub_errors, refusal, unreadable_address
from mlx_gui.catalog.hub_reading import (
    MOST_FILES,
    check_files,
    decoded,
    read_commit,
    read_model,
    read_models,
    read_tree,
)
from mlx_gui.catalog.hub_threads import HubThreads
from mlx_gui.config import Config
from mlx_gui.core.errors import GatedModel, HubAnswer, HubUnreachable, ModelNotOnHub, Offline
from mlx_gui.core.hub import (
    DEFAULT_REVISION,
    HubModel,
    HubPage,
    HubQuery,
    RepoFile,
    RepoTree,
    Told,
    checked_repo_id,
    checked_revision,
)
from mlx_gui.core.network import listed_endpoint, listed_token
from mlx_gui.core.setting_row import Unfit
from mlx_gui.version import __version__

if TYPE_CHECKING:
    import httpx2

_CONNECT_S = 10.0
_READ_S = 15.0
_WHOLE_S = 45.0
_GRACE_S = 5.0
"""For the connection's own time-outs to say more of what went wrong."""
_PAGES_TOGETHER = 4
"""All questions of a tree may take as long as so many that are slow."""
_THREADS = 4
_READ_LISTS = 32
_MOST_REDIRECTS = 5
_MOST_BYTES = 32 * 1024 * 1024
_TEXT_BYTES = 1024 * 1024
_PAGES_OF_A_TREE = 40
_FRESH_LIST_S = 300.0
_FRESH_DETAIL_S = 300.0
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""What other programs of Python and curl read; httpx2 reads `SSL_CERT_FILE` by itself."""

_NOTHING: Mapping[str, list[str]] = MappingProxyType({})
_SORTS = {
    "trending": "trendingScore",
    "downloads": "downloads",
    "likes": "likes",
    "newest": "lastModified",
}
_EXPANDED = (
    "author", "cardData", "config", "createdAt", "downloads", "gated", "lastModified",
    "library_name", "likes", "pipeline_tag", "safetensors", "sha", "tags",
)  # fmt: skip


class Hub:
    """The hub that the settings name. Belongs to the event loop's thread.

    What it answers is kept in `folder` for when it is away. An answer may take `patience_s`.

    Every question raises HubUnreachable, HubAnswer, ModelNotOnHub, GatedModel, Offline or
    InvalidRequest.
    """

    def __init__(
        self, *, config: Callable[[], Config], folder: Path, patience_s: float = _WHOLE_S
    ) -> None:
        self._config = config
        self._patience_s = patience_s
        self._answers = HubAnswers(folder)
        self._threads = HubThreads(_THREADS)
        self._models = lru_cache(_READ_LISTS)(_models_of)
        self._client: httpx2.Client | None = None
        self._opening = Lock()

    async def search(self, query: HubQuery, *, cursor: str | None = None) -> tuple[HubPage, Told]:
        """Models as the hub lists them, and how old that is. A `cursor` is one of an earlier page.

        What was asked not long ago is not asked again, and what the hub cannot be asked now is what
        it said last.
        """
        params = _list_params(query, cursor)
        answer, told = await self._remembered("/api/models", params, fresh_s=_FRESH_LIST_S)
        models = await asyncio.to_thread(self._models, answer.body)
        return HubPage(models, answer.cursor), told

    async def detail(
        self, model_id: str, *, revision: str = DEFAULT_REVISION
    ) -> tuple[HubModel, Told]:
        """One model with its files and their sizes, remembered as a search is."""
        path = f"{_model_path(model_id)}/revision/{_quoted(revision)}"
        answer, told = await self._remembered(
            path, {"blobs": ["true"]}, fresh_s=_FRESH_DETAIL_S, model_id=model_id
        )
        read = partial(_model_of, answer.body, what=f"what {model_id} is")
        return await asyncio.to_thread(read), told

    async def newest(self, model_id: str, *, revision: str = DEFAULT_REVISION) -> HubModel:
        """One model as it is now, without its files; what is remembered of it says nothing."""
        path = f"{_model_path(model_id)}/revision/{_quoted(revision)}"
        self._refuse_offline()
        ask = partial(self._ask, path, {"expand": ["sha", "lastModified"]}, model_id=model_id)
        answer = await self._threads.run(ask, within_s=self._patience_s + _GRACE_S)
        return await asyncio.to_thread(_model_of, answer.body, what=f"what {model_id} is")

    async def known(self) -> tuple[tuple[HubModel, float], ...]:
        """All models of answers that are remembered, each once, with their age: the newest first.

        Of each the details are taken where they are known.
        """
        return await asyncio.to_thread(self._known)

    async def text(
        self, model_id: str, revision: str, path: str, *, limit_bytes: int = _TEXT_BYTES
    ) -> str | None:
        """The beginning of a small file; None where the repo has none that can be read so."""
        where = urlsplit(self.resolve_url(model_id, revision, path)).path
        base = urlsplit(self._endpoint()).path
        try:
            answer, _ = await self._remembered(
                where.removeprefix(base), {}, fresh_s=_FRESH_DETAIL_S, model_id=model_id,
                limit_bytes=limit_bytes,
            )  # fmt: skip
        except (ModelNotOnHub, GatedModel, HubAnswer, HubUnreachable, Offline):
            return None
        return answer.body.decode("utf-8", errors="replace")

    async def tree(self, model_id: str, *, revision: str = DEFAULT_REVISION) -> RepoTree:
        """All files of `revision`, which is asked for now. One that is gated must be open to us."""
        path = f"{_model_path(model_id)}/revision/{_quoted(revision)}"
        self._refuse_offline()
        return await self._threads.run(
            partial(self._tree, model_id, path), within_s=_PAGES_TOGETHER * self._patience_s
        )

    def resolve_url(self, model_id: str, revision: str, path: str) -> str:
        """Where to ask for the bytes of a file; the hub redirects from there."""
        name = quote(checked_repo_id(model_id), safe="/")
        return f"{self._endpoint()}/{name}/resolve/{_quoted(revision)}/{quote(path, safe='/')}"

    def xet_access_url(self, model_id: str, revision: str) -> str:
        """Where the hub gives a key to its Xet store."""
        path = f"{_model_path(model_id)}/xet-read-token/{_quoted(revision)}"
        return f"{self._endpoint()}{path}"

    def token(self) -> str | None:
        """What to be known by at the hub. It may read files, so call it in a thread.

        Send it to the hub's own address only, and write it nowhere.
        """
        if (token := self._config().hub_token) is not None:
            return token
        from huggingface_hub import constants, get_token

        if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
            return None
        found = get_token()
        try:
            return None if not found else listed_token(found)
        except Unfit as unfit:
            raise HubAnswer(
                f"The token of `hf auth login` or `HF_TOKEN` is not {unfit}.",
                hint="Set another one, or the setting hub_token.",
            ) from None

    def stop(self) -> None:
        """Have whoever waits for the hub hear that the server stops."""
        self._threads.stop()

    async def close(self) -> None:
        """End what still asks."""
        self.stop()
        if self._client is not None:
            await asyncio.to_thread(self._client.close)

    # --- asking ---------------------------------------------------------------------------------

    def _endpoint(self) -> str:
        try:
            return listed_endpoint(self._config().hub_endpoint)
        except Unfit as unfit:
            raise unreadable_address(str(unfit)) from None

    def _offline(self) -> str | None:
        """Why nothing may be asked."""
        if self._config().offline:
            return "the setting `offline` is on"
        said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
        if said.upper() in ("1", "ON", "YES", "TRUE"):
            return "HF_HUB_OFFLINE is set"
        return None

    def _refuse_offline(self) -> None:
        if (reason := self._offline()) is not None:
            raise Offline(
                f"The hub cannot be asked: {reason}.",
                hint="Turn it off to search and to fetch models: mlx-gui config offline=false",
            )

    async def _remembered(
        self,
        path: str,
        params: Mapping[str, list[str]],
        *,
        fresh_s: float,
        model_id: str | None = None,
        limit_bytes: int = _MOST_BYTES,
    ) -> tuple[Answer, Told]:
        """The answer of not long ago, else the hub's, else its last one with the reason."""
        # Not by the threads that ask: a hub that is slow holds up no answer that is known.
        key, kept = await asyncio.to_thread(self._recall, path, params)
        if kept is not None and kept.age_s < fresh_s:
            return kept, Told(kept.age_s)
        try:
            self._refuse_offline()
            ask = partial(self._ask, path, params, model_id=model_id, limit_bytes=limit_bytes)
            answer = await self._threads.run(ask, within_s=self._patience_s + _GRACE_S)
        except (Offline, HubUnreachable) as error:
            if kept is None:
                raise
            return kept, Told(kept.age_s, error.message)
        await asyncio.to_thread(self._answers.keep, key, answer)
        return answer, Told()

    def _recall(self, path: str, params: Mapping[str, list[str]]) -> tuple[Key, Answer | None]:
        """In a thread: what a question is known by, and its last answer."""
        key = Key.of(self._endpoint(), self.token(), (path, params))
        return key, self._answers.find(key)

    def _known(self) -> tuple[tuple[HubModel, float], ...]:
        """In a thread."""
        found: dict[str, tuple[HubModel, float]] = {}
        for answer in self._answers.all(Key.of(self._endpoint(), self.token(), ())):
            try:
                said: object = decoded(answer.body, what="a model")
                listed = answer.body.lstrip()[:1] == b"["
                models = read_models(said) if listed else (read_model(said),)
            except HubAnswer:
                continue  # a small file of a model, or a part of one
            for model in models:
                if model.id not in found or (model.files and not found[model.id][0].files):
                    found[model.id] = (model, answer.age_s)
        return tuple(found.values())

    def _tree(self, model_id: str, path: str) -> RepoTree:
        """In a thread."""
        answer = self._ask(path, {"expand": ["sha", "gated"]}, model_id=model_id)
        said = decoded(answer.body, what=f"what {model_id} is")
        current_id, commit = read_commit(said)
        if said.get("gated"):
            self._check_access(current_id)
        files: list[RepoFile] = []
        params = {"recursive": ["true"]}
        for _ in range(_PAGES_OF_A_TREE):
            answer = self._ask(
                f"{_model_path(current_id)}/tree/{commit}", params, model_id=current_id
            )
            files += read_tree(decoded(answer.body, what=f"the files of {model_id}"))
            if answer.cursor is None or len(files) > MOST_FILES:
                break
            params["cursor"] = [answer.cursor]
        else:
            raise HubAnswer(f"The hub's list of the files of {model_id} does not end.")
        if len(files) > MOST_FILES:
            raise HubAnswer(f"{model_id} has more than {MOST_FILES:,} files.")
        check_files(tuple(files))
        return RepoTree(current_id, commit, tuple(files))

    def _check_access(self, model_id: str) -> None:
        """In a thread. Raises GatedModel; a mirror that cannot say so does with the first file."""
        try:
            self._ask(f"{_model_path(model_id)}/auth-check", {}, model_id=model_id)
        except HubAnswer:
            return

    def _ask(
        self,
        path: str,
        params: Mapping[str, list[str]],
        *,
        model_id: str | None = None,
        limit_bytes: int = _MOST_BYTES,
    ) -> Answer:
        """In a thread: what the hub answers to GET, redirects followed within its own address."""
        endpoint, token = self._endpoint(), self.token()
        headers = {"user-agent": f"mlx-gui/{__version__}"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        url = f"{endpoint}{path}"
        ends_at_s = time.monotonic() + self._patience_s
        asked: Mapping[str, list[str]] = params
        with named_hub_errors(endpoint):
            for _ in range(_MOST_REDIRECTS + 1):
                found = self._get(url, asked, headers, ends_at_s=ends_at_s, limit_bytes=limit_bytes)
                target = found.headers.get("location") if found.is_redirect else None
                if target is None:
                    refusal(found, endpoint, model_id=model_id, known=token is not None)
                    return Answer(found.content, _next_cursor(found), time.time())
                url, asked = _followed(endpoint, url, target), _NOTHING
        raise HubAnswer(
            f"The hub at {endpoint} redirects in a circle.",
            hint="Is `hub_endpoint` the address of a hub?",
        )

    def _get(
        self,
        url: str,
        params: Mapping[str, list[str]],
        headers: dict[str, str],
        *,
        ends_at_s: float,
        limit_bytes: int,
    ) -> "httpx2.Response":
        """The answer, read whole; a connection that has rested too long is tried anew once."""
        import httpx2

        try:
            return self._read(url, params, headers, ends_at_s=ends_at_s, limit_bytes=limit_bytes)
        except (httpx2.RemoteProtocolError, httpx2.ReadError):
            return self._read(url, params, headers, ends_at_s=ends_at_s, limit_bytes=limit_bytes)

    def _read(
        self,
        url: str,
        params: Mapping[str, list[str]],
        headers: dict[str, str],
        *,
        ends_at_s: float,
        limit_bytes: int,
    ) -> "httpx2.Response":
        import httpx2

        content = bytearray()
        asked = {name: values for name, values in params.items() if values} or None
        with self._opened().stream("GET", url, params=asked, headers=headers) as answer:
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > limit_bytes:
                    if limit_bytes < _MOST_BYTES:
                        break
                    raise HubAnswer(f"The hub's answer is larger than {limit_bytes:,} bytes.")
                if time.monotonic() > ends_at_s:
                    raise HubUnreachable(
                        f"The hub did not finish its answer within {self._patience_s:g} s.",
                        hint="Try again later.",
                    )
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name not in ("content-encoding", "content-length", "transfer-encoding")
            }
            return httpx2.Response(
                answer.status_code,
                headers=kept,
                content=bytes(content[:limit_bytes]),
                request=answer.request,
            )

    def _opened(self) -> "httpx2.Client":
        with self._opening:
            if self._client is None:
                import httpx2

                self._client = httpx2.Client(
                    timeout=httpx2.Timeout(
                        min(_READ_S, self._patience_s), connect=min(_CONNECT_S, self._patience_s)
                    ),
                    follow_redirects=False,
                    verify=_certificates(os.environ),
                )
            return self._client


def _certificates(variables: Mapping[str, str]) -> "ssl.SSLContext | bool":
    """The authorities that the usual variables name; True leaves it to the client."""
    if variables.get("SSL_CERT_FILE") or variables.get("SSL_CERT_DIR"):
        return True
    bundle = next((variables[name] for name in _CA_VARIABLES if variables.get(name)), None)
    if bundle is None:
        return True
    try:
        if os.path.isdir(bundle):
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise HubUnreachable(
            f"The certificates of {bundle} cannot be read: {error.strerror or error}.",
            hint=f"{' and '.join(_CA_VARIABLES)} name a file of certificates.",
        ) from error


def _followed(endpoint: str, url: str, target: str) -> str:
    """Where a redirect leads. Raises HubAnswer for any other address than the hub's own."""
    try:
        found = urljoin(url, target)
        here, there = urlsplit(endpoint), urlsplit(found)
        same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
    except ValueError:
        found, same = target, False
    if not same:
        raise HubAnswer(
            f"The hub at {endpoint} leads to another address, {repr(found)[:100]}, which is not "
            "asked.",
            hint="Set hub_endpoint to the address of the hub itself.",
        )
    return found


def _next_cursor(answer: "httpx2.Response") -> str | None:
    """Of the link to the next page only the cursor is taken: a mirror may name another host."""
    try:
        link = answer.links.get("next", {}).get("url", "")
        found = parse_qs(urlsplit(link).query).get("cursor", [])
    except ValueError:
        return None
    return found[0] if found and len(found[0]) <= 1000 else None


def _list_params(query: HubQuery, cursor: str | None) -> dict[str, list[str]]:
    asked: dict[str, list[str]] = {
        "expand": list(_EXPANDED), "limit": [str(query.limit)], "filter": list(query.tags)
    }  # fmt: skip
    for name, value in (
        ("search", query.search),
        ("author", query.author),
        ("pipeline_tag", query.pipeline_tag),
        ("sort", _SORTS.get(query.sort or "")),
        ("cursor", cursor),
    ):
        if value:
            asked[name] = [value]
    return asked


def _models_of(body: bytes) -> tuple[HubModel, ...]:
    return read_models(decoded(body, what="a list of models"))


def _model_of(body: bytes, *, what: str) -> HubModel:
    return read_model(decoded(body, what=what))


def _model_path(model_id: str) -> str:
    return f"/api/models/{quote(checked_repo_id(model_id), safe='/')}"


def _quoted(revision: str) -> str:
    return quote(checked_revision(revision), safe="")
