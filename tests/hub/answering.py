"""What the hub and its CDN answer to one request."""

import gzip
import json
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tests.hub.faults import Fault, Seen, Where
from tests.hub.repos import Commit, Repo, StoredFile, describe, tree_entries

if TYPE_CHECKING:
    from tests.hub.server import HubServer

_INFO = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)")
_INFO_AT = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)/revision/(?P<rev>[^/]+)")
_TREE = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)/tree/(?P<rev>[^/]+)(?:/(?P<path>.+))?")
_AUTH = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)/auth-check")
_XET_KEY = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)?)/xet-read-token/(?P<rev>[^/]+)")
_CACHED = re.compile(
    r"/api/resolve-cache/models/(?P<id>[^/]+/[^/]+)/(?P<rev>[0-9a-f]{40})/(?P<path>.+)"
)
_RESOLVE = re.compile(r"/(?P<id>[^/]+(?:/[^/]+)?)/resolve/(?P<rev>[^/]+)/(?P<path>.+)")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SORTS = {
    "trendingScore": lambda repo: repo.trending,
    "downloads": lambda repo: repo.downloads,
    "likes": lambda repo: repo.likes,
    "createdAt": lambda repo: repo.created_at,
    "lastModified": lambda repo: repo.last_modified,
}
_LISTED = (
    "_id", "id", "modelId", "likes", "trendingScore", "private", "downloads", "tags",
    "pipeline_tag", "library_name", "createdAt",
)  # fmt: skip
_EXPANDABLE = {
    "author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt", "disabled",
    "downloads", "downloadsAllTime", "evalResults", "gated", "gguf", "inference",
    "inferenceProviderMapping", "lastModified", "library_name", "likes", "mask_token",
    "model-index", "pipeline_tag", "private", "resourceGroup", "safetensors", "sha", "siblings",
    "spaces", "tags", "transformersInfo", "trendingScore", "usedStorage", "widgetData",
}  # fmt: skip
_PIECE_BYTES = 64 * 1024


class Handler(BaseHTTPRequestHandler):
    """What the answers of all ports have in common."""

    protocol_version = "HTTP/1.1"
    server: Any

    @property
    def hub(self) -> "HubServer":
        return self.server.hub

    def setup(self) -> None:
        super().setup()
        self.query: dict[str, list[str]] = {}

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at `hub.seen`."""

    def do_GET(self) -> None:
        self._begin()

    def do_HEAD(self) -> None:
        self._begin()

    def _begin(self) -> None:
        split = urlsplit(self.path)
        self.query = parse_qs(split.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.seen.append(Seen(self.command, headers.get("host", ""), self.path, headers))
        self.answer(split.path)

    def answer(self, path: str) -> None:
        raise NotImplementedError

    def one(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    def send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_json(self, found: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(found).encode()
        self.send(
            200, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, content
        )

    def refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        content = json.dumps({"error": message}).encode()
        self.send(status, {"Content-Type": "application/json; charset=utf-8", **headers}, content)

    def struck(self, where: Where, repo_id: str | None, path: str | None) -> list[Fault] | None:
        """The faults of this request; None where one of them was the answer."""
        faults = self.hub.striking(where, repo_id, path)
        for fault in faults:
            if fault.what == "status":
                self.send(fault.status, {"Content-Type": "text/html", **fault.headers}, fault.body)
                return None
        return faults

    def send_file(
        self, file: StoredFile, faults: list[Fault], headers: dict[str, str] | None = None
    ) -> None:
        """All of a file or a range of it, with what goes wrong on the way."""
        by_name = {fault.what: fault for fault in faults}
        etag = file.etag if "etag" not in by_name else self.hub.next_link()
        wanted = None if {"whole", "gzip"} & by_name.keys() else self._range(file, etag)
        sent = {"ETag": f'"{etag}"', "Accept-Ranges": "bytes", **(headers or {})}
        if wanted is not None and wanted.start >= file.size:
            self.send(416, {**sent, "Content-Range": f"bytes */{file.size}"})
            return
        span = wanted if wanted is not None else range(file.size)
        if "gzip" in by_name:
            self._send_gzipped(file, sent)
            return
        self.send_response(200 if wanted is None else 206)
        if wanted is not None:
            sent["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{file.size}"
        chunked = "unsized" in by_name
        sent |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(span))}
        for name, value in {"Content-Type": "application/octet-stream", **sent}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.send_pieces(_pieces(file, span, by_name.get("flip")), by_name, chunked=chunked)

    def send_pieces(
        self, pieces: Iterator[bytes], faults: dict[str, Fault], *, chunked: bool
    ) -> None:
        stop = faults.get("cut") or faults.get("stall")
        left = stop.after_bytes if stop is not None else None
        drip = faults.get("drip")
        for piece in pieces:
            allowed = piece if left is None else piece[:left]
            size = len(allowed) if drip is None else drip.piece_bytes
            for start in range(0, len(allowed), size or 1):
                part = allowed[start : start + size]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                if drip is not None and self.hub.closing.wait(drip.pause_s):
                    return
            if left is not None:
                left -= len(allowed)
                if len(allowed) < len(piece) or left == 0:
                    self._stop(faults)
                    return
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _stop(self, faults: dict[str, Fault]) -> None:
        self.wfile.flush()
        if "stall" in faults:
            self.hub.closing.wait()
        self.close_connection = True

    def _send_gzipped(self, file: StoredFile, headers: dict[str, str]) -> None:
        packed = gzip.compress(file.source.read_bytes(), compresslevel=1)
        self.send_response(200)
        sent = {**headers, "Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed), packed))

    def _range(self, file: StoredFile, etag: str) -> range | None:
        """What the request wants of the file; None is all of it."""
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None or match.group(0) == "bytes=-":
            return None
        if self.headers.get("If-Range", f'"{etag}"').strip('"') != etag:
            return None
        first, last = match.groups()
        if not first:
            return range(max(0, file.size - int(last)), file.size)
        end = min(int(last) + 1, file.size) if last else file.size
        return range(int(first), end)


class CdnHandler(Handler):
    """Bytes of LFS files, for whoever has a link that is good."""

    def answer(self, path: str) -> None:
        repo_id, _, rest = unquote(path).removeprefix("/repos/").partition("/blobs/")
        sha256, _, name = rest.partition("/")
        file = self._find(repo_id, sha256)
        faults = self.struck("cdn", repo_id, name)
        if faults is None:
            return
        link = self.one("Signature")
        self.hub.link_uses[link] += 1
        expired = any(
            each.what == "expire" and self.hub.link_uses[link] > each.uses for each in faults
        )
        if file is None or not link or expired:
            self.send(403, {"Content-Type": "application/xml"}, b"<Error>AccessDenied</Error>")
            return
        self.send_file(file, faults)

    def _find(self, repo_id: str, sha256: str) -> StoredFile | None:
        repo = self.hub.repos.get(self.hub.renamed.get(repo_id, repo_id))
        commits = () if repo is None else tuple(repo.commits.values())
        files = (file for commit in commits for file in commit.files)
        return next((file for file in files if file.sha256 == sha256), None)


class HubHandler(Handler):
    """The API, and the links of files."""

    def answer(self, path: str) -> None:
        if path == "/api/models":
            if self.struck("api", None, None) is not None:
                self._list()
        elif path == "/api/whoami-v2":
            self._whoami()
        elif (match := _CACHED.fullmatch(path)) is not None:
            self._small_file(match)
        elif path.startswith("/api/"):
            self._api(path)
        elif (match := _RESOLVE.fullmatch(path)) is not None:
            self._resolve(match)
        else:
            self.send(404, {"Content-Type": "text/html"}, b"<html>Not here</html>")

    def _api(self, path: str) -> None:
        for pattern, answer in (
            (_TREE, self._tree), (_INFO_AT, self._info), (_AUTH, self._auth),
            (_XET_KEY, self._xet_key), (_INFO, self._info),
        ):  # fmt: skip
            match = pattern.fullmatch(path)
            if match is None:
                continue
            named = match.groupdict()
            repo_id = unquote(named["id"])
            if self.struck("api", repo_id, None) is None:
                return
            repo = self._repo(repo_id, path)
            if repo is not None:
                answer(repo, named)
            return
        self.send(404, {"Content-Type": "text/html"}, b"<html>Not here</html>")

    @property
    def _token(self) -> str | None:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    def _repo(self, repo_id: str, path: str) -> Repo | None:
        """The repo; None where the answer was that it has moved, or is not there."""
        if (moved := self.hub.renamed.get(repo_id)) is not None:
            target = path.replace(repo_id, moved, 1)
            query = urlsplit(self.path).query
            self.send(307, {"Location": target + (f"?{query}" if query else "")})
            return None
        repo = self.hub.repos.get(repo_id)
        if repo is None and self._token is None:
            # The real hub tells nobody who is not known whether a repo is there.
            self.refuse(401, "RepoNotFound", "Invalid username or password.")
        elif repo is None:
            self.refuse(404, "RepoNotFound", "Repository not found")
        return repo

    def _commit(self, repo: Repo, revision: str | None) -> Commit | None:
        commit = repo.at(unquote(revision or "main"))
        if commit is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _allowed(self, repo: Repo) -> bool:
        """Whether who asks may read the files; else that is the answer."""
        token = self._token
        if not repo.gated or (token is not None and repo.id in self.hub.tokens.get(token, ())):
            return True
        said = f"Access to model {repo.id} is restricted."
        self.refuse(401 if token not in self.hub.tokens else 403, "GatedRepo", said)
        return False

    def _whoami(self) -> None:
        if self._token in self.hub.tokens:
            self.send_json({"type": "user", "name": "tester", "auth": {"type": "access_token"}})
        else:
            self.refuse(401, "", "Invalid credentials in Authorization header")

    def _auth(self, repo: Repo, named: dict[str, str | None]) -> None:
        if self._allowed(repo):
            self.send_json({})

    def _xet_key(self, repo: Repo, named: dict[str, str | None]) -> None:
        if not repo.xet:
            self.refuse(404, "", "This repo is not in the Xet store")
            return
        if not self._allowed(repo):
            return
        access: dict[str, object] = {
            "accessToken": f"key-{self.hub.next_link()}",
            "casUrl": self.hub.xet_url,
            "exp": int(time.time()) + 900,
            **self.hub.xet_access,
        }
        # One client reads the body, another the headers.
        names = ("X-Xet-Access-Token", "X-Xet-Cas-Url", "X-Xet-Token-Expiration")
        self.send_json(access, dict(zip(names, map(str, access.values()), strict=False)))

    def _info(self, repo: Repo, named: dict[str, str | None]) -> None:
        commit = self._commit(repo, named.get("rev"))
        if commit is None:
            return
        described = describe(repo, commit, sized=self.one("blobs") in ("true", "True", "1"))
        if expand := self.query.get("expand"):
            if self._unknown(expand):
                return
            kept = ("_id", "id", "modelId", *expand)
            described = {name: described[name] for name in kept if name in described}
        self.send_json(described)

    def _tree(self, repo: Repo, named: dict[str, str | None]) -> None:
        commit = self._commit(repo, named["rev"])
        if commit is None:
            return
        folder = unquote(named["path"] or "")
        recursive = self.one("recursive").lower() in ("true", "1")
        entries = tree_entries(commit, folder, recursive=recursive)
        if folder and not entries:
            self.refuse(404, "EntryNotFound", f"{folder} does not exist on {named['rev']!r}")
            return
        self._send_page(entries, self.hub.page)

    def _list(self) -> None:
        wanted = [repo for repo in self.hub.repos.values() if self._matches(repo)]
        sort = self.one("sort", "trendingScore")
        if sort not in _SORTS:
            self.refuse(400, "", f"Invalid sort parameter: {sort}")
            return
        wanted.sort(key=_SORTS[sort], reverse=True)
        expand = self.query.get("expand", [])
        if self._unknown(expand):
            return
        shown = [self._listed(repo, expand) for repo in wanted]
        limit = self.one("limit")
        self._send_page(shown, min(self.hub.page, int(limit)) if limit else self.hub.page)

    def _unknown(self, expand: list[str]) -> bool:
        unknown = [name for name in expand if name not in _EXPANDABLE]
        if unknown:
            self.refuse(400, "", f"Invalid value for expand: {unknown[0]}")
        return bool(unknown)

    def _listed(self, repo: Repo, expand: list[str]) -> dict[str, Any]:
        described = describe(repo, repo.head)
        kept: tuple[str, ...] = _LISTED
        if expand:
            kept = ("_id", "id", "modelId", *expand)
        elif self.one("full").lower() in ("true", "1"):
            kept = (*_LISTED, "author", "sha", "lastModified", "gated", "siblings")
        return {name: described[name] for name in kept if name in described}

    def _matches(self, repo: Repo) -> bool:
        tags = {tag.casefold() for tag in repo.all_tags()}
        wanted = [
            each.casefold() for part in self.query.get("filter", []) for each in part.split(",")
        ]
        gated = self.one("gated")
        return (
            self.one("search").casefold() in repo.id.casefold()
            and self.one("author", repo.author or "").casefold() == (repo.author or "").casefold()
            and all(each in tags for each in wanted)
            and self.one("pipeline_tag", repo.pipeline_tag or "") == (repo.pipeline_tag or "")
            and (not gated or (gated.lower() == "true") == bool(repo.gated))
        )

    def _send_page(self, entries: list[dict[str, Any]], size: int) -> None:
        start = int(self.one("cursor", "0") or 0)
        headers: dict[str, str] = {}
        if start + size < len(entries):
            more = {**self.query, "cursor": [str(start + size)]}
            target = f"{self.hub.url}{urlsplit(self.path).path}?{urlencode(more, doseq=True)}"
            headers["Link"] = f'<{target}>; rel="next"'
        self.send_json(entries[start : start + size], headers)

    def _resolve(self, match: re.Match[str]) -> None:
        repo_id, path = unquote(match["id"]), unquote(match["path"])
        if self.struck("resolve", repo_id, path) is None:
            return
        repo = self._repo(repo_id, urlsplit(self.path).path)
        if repo is None or not self._allowed(repo):
            return
        commit = self._commit(repo, match["rev"])
        if commit is None:
            return
        file = commit.find(path)
        if file is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        headers = {
            "X-Repo-Commit": commit.sha,
            "X-Linked-Etag": f'"{file.etag}"',
            "X-Linked-Size": str(file.size),
            "ETag": f'"{file.etag}"',
        }
        if file.xet_hash is not None:
            key = f"{self.hub.url}/api/models/{repo.id}/xet-read-token/{commit.sha}"
            headers |= {"X-Xet-Hash": file.xet_hash, "X-Xet-Refresh-Route": key}
        if file.sha256 is None:
            where = f"/api/resolve-cache/models/{repo.id}/{commit.sha}/{quote(path)}"
            self.send(307, {**headers, "Location": where})
            return
        link = urlencode({"Expires": int(time.time()) + 3600, "Signature": self.hub.next_link()})
        where = f"{self.hub.cdn_url}/repos/{repo.id}/blobs/{file.sha256}/{quote(path)}"
        self.send(302, {**headers, "Location": f"{where}?{link}"})

    def _small_file(self, match: re.Match[str]) -> None:
        repo_id, path = unquote(match["id"]), unquote(match["path"])
        faults = self.struck("cdn", repo_id, path)
        repo = self.hub.repos.get(repo_id)
        commit = repo.at(match["rev"]) if repo is not None else None
        file = commit.find(path) if commit is not None else None
        if faults is None or repo is None:
            return
        if commit is None or file is None:
            self.refuse(404, "EntryNotFound", "Entry not found")
        elif self._allowed(repo):
            self.send_file(file, faults, {"X-Repo-Commit": commit.sha})


def _pieces(file: StoredFile, span: range, flip: Fault | None) -> Iterator[bytes]:
    with file.source.open("rb") as source:
        source.seek(span.start)
        at = span.start
        while at < span.stop:
            piece = source.read(min(_PIECE_BYTES, span.stop - at))
            if not piece:
                return
            if flip is not None and at <= flip.at_bytes < at + len(piece):
                place = flip.at_bytes - at
                piece = piece[:place] + bytes([piece[place] ^ 1]) + piece[place + 1 :]
            yield piece
            at += len(piece)
