"""A hub of models on this machine, which speaks the real one's HTTP API.

It serves real folders, answers the real client, and does wrong what a test asks of it:

    with HubServer() as hub:
        hub.add("org/name", folder, tags=("mlx",), pipeline_tag="text-generation")
        hub.fault("org/name", Fault("cut", after_bytes=1000), path="model.safetensors")

The bytes of LFS files come from a second port, by links that are signed, as from the real hub's
CDN; those of a repo with `xet=True` also from a third one, as from its Xet store. Whoever brings
one of `hub.tokens` may read the gated repos that it lists.
"""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from typing import Any, Self

from tests.hub.answering import CdnHandler, HubHandler
from tests.hub.faults import Fault, Seen, Where
from tests.hub.repos import Repo
from tests.hub.xet_store import XetHandler


class HubServer:
    """The hub of one test. All that a test may look at or set is here."""

    def __init__(self, *, page: int = 1000) -> None:
        self.page = page
        """Entries of a tree on one page, and the most models on one."""
        self.repos: dict[str, Repo] = {}
        self.renamed: dict[str, str] = {}
        self.tokens: dict[str, set[str]] = {}
        """Known tokens, with the gated repos that each may read."""
        self.seen: list[Seen] = []
        self.link_uses: Counter[str] = Counter()
        self.closing = threading.Event()
        """Set when the hub closes, and when a test lets stalled answers go on."""
        self.lock = threading.Lock()
        self._faults: list[tuple[str, str | None, Fault]] = []
        self.xet_access: dict[str, object] = {}
        """What it says otherwise of the way to its Xet store."""
        self.twist: Callable[[dict[str, Any]], object] = lambda plan: plan
        """What becomes of the Xet store's plans before they are told."""
        self._links = 0
        self._hub = _Server(("127.0.0.1", 0), HubHandler, self)
        self._cdn = _Server(("127.0.0.1", 0), CdnHandler, self)
        self._xet = _Server(("127.0.0.1", 0), XetHandler, self)

    @property
    def url(self) -> str:
        """What `HF_ENDPOINT` is to be."""
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def cdn_url(self) -> str:
        return f"http://127.0.0.1:{self._cdn.server_port}"

    @property
    def xet_url(self) -> str:
        return f"http://127.0.0.1:{self._xet.server_port}"

    def __enter__(self) -> Self:
        for server in (self._hub, self._cdn, self._xet):
            server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        for server in (self._hub, self._cdn, self._xet):
            server.stop()

    def add(self, repo_id: str, folder: Path, **said: Any) -> Repo:
        """A repo with the files of `folder`, and `said` of it by its owner (`Repo`'s fields)."""
        repo = Repo(repo_id, **said)
        repo.commit(folder)
        self.repos[repo_id] = repo
        return repo

    def change(self, repo_id: str, **said: Any) -> None:
        """Say other things of a repo."""
        self.repos[repo_id] = replace(self.repos[repo_id], **said)

    def rename(self, old: str, new: str) -> None:
        """Give a repo another name; the old one leads to it."""
        self.repos[new] = replace(self.repos.pop(old), id=new)
        self.renamed[old] = new

    def fault(self, repo_id: str, fault: Fault, *, path: str | None = None) -> Fault:
        """Have `fault` strike requests for `repo_id` (`*`: any), for one file where `path` is."""
        with self.lock:
            self._faults.append((repo_id, path, fault))
        return fault

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        with self.lock:
            self._faults.clear()

    def striking(self, where: Where, repo_id: str | None, path: str | None) -> list[Fault]:
        """The faults of this request, which are counted."""
        with self.lock:
            return [
                fault
                for at_repo, at_path, fault in self._faults
                if fault.where == where
                and at_repo in ("*", repo_id)
                and at_path in (None, path)
                and fault.strikes()
            ]

    def next_link(self) -> str:
        """What the next signed link is known by."""
        with self.lock:
            self._links += 1
            return str(self._links)

    def asked(self, *, method: str | None = None, containing: str = "") -> list[Seen]:
        """The requests so far, of all ports."""
        return [
            each
            for each in list(self.seen)
            if containing in each.target and method in (None, each.method)
        ]


class _Server(ThreadingHTTPServer):
    """Ends with all its connections, also those that rest."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, hub: HubServer) -> None:
        super().__init__(address, handler)
        self.hub = hub
        self._open: set[socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="hub")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self._open):
            try:
                connection.shutdown(SHUT_RDWR)
            except OSError:
                continue  # it has ended by itself
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
