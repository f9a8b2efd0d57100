"""The store of a hub that keeps files as Xet does."""

import re
from collections.abc import Iterator

from tests.hub.answering import Handler
from tests.hub.faults import Fault
from tests.hub.repos import StoredFile
from tests.hub.xorbs import plan, swollen_chunk, xorb

_PLAN = re.compile(r"/v1/reconstructions/(?P<hash>.+)")
_XORB = re.compile(r"/xorbs/(?P<hash>[0-9a-f]{64})/(?P<number>[0-9]+)")
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")
_PIECE_BYTES = 64 * 1024


class XetHandler(Handler):
    """Plans for whoever has a key, and xorbs for whoever has a link."""

    def answer(self, path: str) -> None:
        if match := _PLAN.fullmatch(path):
            self._plan(match["hash"])
        elif match := _XORB.fullmatch(path):
            self._xorb(match["hash"], int(match["number"]))
        else:
            self.send(404, {})

    def _plan(self, file_hash: str) -> None:
        found = self._find(file_hash)
        faults = self.struck("plan", *(found or (None, None)))
        if faults is None:
            return
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.hub.link_uses[key] += 1
        expired = any(
            each.what == "expire" and self.hub.link_uses[key] > each.uses for each in faults
        )
        if not key.startswith("key-") or expired:
            self.send(401, {})
            return
        if found is None:
            self.send(404, {})
            return
        file = self._file(file_hash)
        span = self._span(file.size)
        if not span:
            self.send(416, {})
            return
        link = f"{self.hub.xet_url}/xorbs/{file_hash}/{{}}?Signature={self.hub.next_link()}"
        made = plan(file_hash, file.size, span, link)
        self.send_json(self.hub.twist(made))

    def _xorb(self, file_hash: str, number: int) -> None:
        found = self._find(file_hash)
        faults = self.struck("xorb", *(found or (None, None)))
        if faults is None:
            return
        link = self.one("Signature")
        if found is None or not link:
            self.send(403, {"Content-Type": "application/xml"}, b"<Error>AccessDenied</Error>")
            return
        by_name = {fault.what: fault for fault in faults}
        content = xorb(self._file(file_hash).source, number)
        span = self._span(len(content))
        body = content[span.start : span.stop]
        if "more" in by_name:
            body += body
        if "swell" in by_name:
            chunk = swollen_chunk()
            body = (chunk * (len(body) // len(chunk) + 1))[: len(body)]
        if (flip := by_name.get("flip")) is not None and flip.at_bytes < len(body):
            body = _flipped(body, flip)
        whole = "whole" in by_name
        self.send_response(200 if whole else 206)
        if not whole:
            said = f"bytes {span.start}-{span.stop - 1}/{len(content)}"
            self.send_header("Content-Range", said)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_pieces(_pieces(body), by_name, chunked=False)

    def _find(self, file_hash: str) -> tuple[str, str] | None:
        """The repo and the path of a file."""
        for repo in self.hub.repos.values():
            for commit in repo.commits.values():
                for file in commit.files:
                    if file.xet_hash == file_hash:
                        return repo.id, file.path
        return None

    def _file(self, file_hash: str) -> StoredFile:
        commits = (each for repo in self.hub.repos.values() for each in repo.commits.values())
        files = (file for commit in commits for file in commit.files)
        return next(file for file in files if file.xet_hash == file_hash)

    def _span(self, size: int) -> range:
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None:
            return range(size)
        return range(int(match[1]), min(int(match[2]) + 1, size))


def _pieces(body: bytes) -> Iterator[bytes]:
    return (body[at : at + _PIECE_BYTES] for at in range(0, len(body), _PIECE_BYTES))


def _flipped(body: bytes, flip: Fault) -> bytes:
    at = flip.at_bytes
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
