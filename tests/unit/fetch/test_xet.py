"""Files out of a hub's Xet store: whole and right, whatever the store does."""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlx_gui.core.errors import FetchFailed, GatedModel, HubAnswer, HubUnreachable, MlxGuiError
from mlx_gui.core.fetching import FetchFile, FetchOrder, FetchState
from mlx_gui.fetch.asking import Misfit
from mlx_gui.fetch.part import is_verified
from mlx_gui.fetch.whole import Fetch
from mlx_gui.fetch.xet.chunks import Chunks
from mlx_gui.fetch.xet.folder import PrivateFolder
from mlx_gui.fetch.xet.plan import read_plan
from tests.hub.faults import Fault
from tests.hub.server import HubServer
from tests.hub.xorbs import CHUNK_BYTES, XORB_BYTES, plan, swollen_chunk
from tests.support.waiting import wait_until

MODEL = "org/noise"
NAME = "model.safetensors"
MB = 1024 * 1024
SECRET = "hf_secret"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The system's folder for temporary files, after that of the test was made there.

    Its path must be short, for a socket.
    """
    with tempfile.TemporaryDirectory(prefix="xet") as made:
        monkeypatch.setattr(tempfile, "tempdir", made)
        yield Path(made)


@pytest.fixture
def content() -> bytes:
    return os.urandom(9 * MB + 77)


@pytest.fixture
def hub(tmp_path: Path, content: bytes) -> Iterator[HubServer]:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    # What is noise is no safetensors, but nobody reads it here.
    (folder / "weights.bin").write_bytes(content)
    with HubServer() as server:
        server.add(MODEL, folder, xet=True)
        yield server


def order_of(hub: HubServer, folder: Path, **changes: Any) -> FetchOrder:
    """The order for the large file."""
    repo = hub.repos[MODEL]
    file = repo.head.find("weights.bin")
    assert file is not None
    assert file.sha256 is not None
    blobs = folder / "blobs"
    blobs.mkdir(exist_ok=True)
    usual: dict[str, Any] = {
        "files": (
            FetchFile(
                name=NAME,
                url=f"{hub.url}/{MODEL}/resolve/main/weights.bin",
                target=str(blobs / file.sha256),
                part=str(blobs / "part"),
                journal=str(blobs / "journal"),
                lock=str(folder / "locks" / "file.lock"),
                size_bytes=file.size,
                digest=file.sha256,
                algorithm="sha256",
                xet_hash=file.xet_hash,
            ),
        ),
        "endpoint": f"{hub.url}/",
        "token": SECRET,
        "lock": str(folder / "locks" / "repo.lock"),
        "agent": "test",
        "connections": 4,
        "bytes_per_s": 0,
        "stall_s": 20.0,
        "patience_s": 20.0,
        "xet_access_url": f"{hub.url}/api/models/{MODEL}/xet-read-token/main",
    }
    return FetchOrder(**{**usual, **changes})


def fetched(order: FetchOrder) -> list[FetchState]:
    """What was told while it was fetched."""
    told: list[FetchState] = []
    assert Fetch(order, told.append, threading.Event()).run()
    (file,) = order.files
    assert hashlib.sha256(Path(file.target).read_bytes()).hexdigest() == file.digest
    assert not Path(file.part).exists()
    assert is_verified(file)
    done = [state.done_bytes for state in told]
    assert done == sorted(done)
    assert done[-1] == file.size_bytes
    return told


def refused(order: FetchOrder, kind: type[MlxGuiError]) -> str:
    """Why it did not come; of the file there is nothing, and no secret in the reason."""
    with pytest.raises(kind) as failure:
        Fetch(order, lambda _: None, threading.Event()).run()
    assert not Path(order.files[0].target).exists()
    said = f"{failure.value.message} {failure.value.hint}"
    assert SECRET not in said
    assert "key-" not in said
    return said


def test_a_file_comes_by_xet_in_pieces(hub: HubServer, tmp_path: Path, temporary: Path) -> None:
    fetched(order_of(hub, tmp_path))
    assert len(hub.asked(containing="/v1/reconstructions/")) > 1
    assert len(hub.asked(containing="xet-read-token")) == 1
    assert not hub.asked(containing="/resolve/")
    # Each secret goes to who gave it and nowhere else, and nothing is left behind.
    for each in hub.seen:
        if "/xorbs/" in each.target:
            assert each.token is None
        else:
            home = "key-" if "/v1/" in each.target else SECRET
            assert each.token is not None
            assert home in each.token
    assert list(temporary.iterdir()) == []


def test_what_an_earlier_run_brought_is_not_asked_for_again(hub: HubServer, tmp_path: Path) -> None:
    order = order_of(hub, tmp_path, connections=1)
    stop = threading.Event()

    def tell(state: FetchState) -> None:
        if state.done_bytes:
            stop.set()

    slow = order_of(hub, tmp_path, connections=1, bytes_per_s=2 * MB)
    assert not Fetch(slow, tell, stop).run()
    hub.seen.clear()
    told = fetched(order)
    kept = told[0].done_bytes
    assert 0 < kept < order.files[0].size_bytes
    assert told[-1].came_bytes == order.files[0].size_bytes - kept
    asked = [each.headers["range"] for each in hub.asked(containing="/v1/reconstructions/")]
    assert asked[0].startswith(f"bytes={kept}-")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", where="plan", status=503),
        Fault("status", where="plan", status=200, body=b"<html>Sign in</html>"),
        Fault("status", where="plan", status=401),
        Fault("status", where="xorb", status=403),
        Fault("status", where="xorb", status=500),
        Fault("cut", where="xorb", after_bytes=100_000),
        Fault("more", where="xorb"),
        Fault("whole", where="xorb"),
        Fault("flip", where="xorb", at_bytes=1),
        Fault("flip", where="xorb", at_bytes=5000),
        Fault("expire", where="plan", uses=2, times=None),
    ],
    ids=lambda fault: f"{fault.where}-{fault.what}-{fault.status}-{fault.at_bytes}",
)
def test_what_goes_wrong_once_is_got_over(hub: HubServer, tmp_path: Path, fault: Fault) -> None:
    hub.fault(MODEL, fault)
    fetched(order_of(hub, tmp_path))


def test_a_key_that_has_run_out_is_asked_for_anew(hub: HubServer, tmp_path: Path) -> None:
    hub.xet_access = {"exp": 1}
    fetched(order_of(hub, tmp_path))
    plans = hub.asked(containing="/v1/reconstructions/")
    assert len({each.token for each in plans}) == len(plans) > 1


def test_a_store_that_falls_silent_is_asked_again(hub: HubServer, tmp_path: Path) -> None:
    hub.fault(MODEL, Fault("stall", where="xorb", after_bytes=100_000))
    fetched(order_of(hub, tmp_path, stall_s=1.0))


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault("status", where="plan", status=503), HubUnreachable, "answered 503"),
        (Fault("status", where="plan", status=404), HubAnswer, "has not got the file"),
        (Fault("status", where="plan", status=401), FetchFailed, "answered 401"),
        (Fault("status", where="plan", status=200, body=b"[]"), HubAnswer, "no plan"),
        (Fault("status", where="xorb", status=403), FetchFailed, "answered 403"),
        (Fault("more", where="xorb"), HubAnswer, "more of a file than was asked for"),
        (Fault("flip", where="xorb", at_bytes=0), HubAnswer, "cannot be unpacked"),
        (Fault("flip", where="xorb", at_bytes=5000), HubAnswer, "another digest"),
        (Fault("status", where="api", status=404), HubAnswer, "no key to a Xet store"),
        (Fault("status", where="api", status=403), GatedModel, "does not give this file"),
        (Fault("status", where="api", status=200, body=b"{}"), HubAnswer, "holds no key"),
    ],
    ids=lambda each: f"{each.where}-{each.what}-{each.status}" if isinstance(each, Fault) else None,
)
def test_what_stays_wrong_has_its_own_reason(
    hub: HubServer, tmp_path: Path, fault: Fault, kind: type[MlxGuiError], says: str
) -> None:
    fault.times = None
    hub.fault(MODEL, fault)
    patience_s = 20.0 if kind is HubAnswer else 1.0
    assert says in refused(order_of(hub, tmp_path, patience_s=patience_s), kind)


@pytest.mark.parametrize(
    "url",
    [
        "file:/x",
        "http://169.254.169.254/latest",
        "http://10.0.0.1:8080",
        "http://user:word@127.0.0.1:1",
        "",
        "nonsense",
    ],
)
def test_nobody_is_led_where_nothing_is_to_be_fetched(
    hub: HubServer, tmp_path: Path, url: str
) -> None:
    hub.xet_access = {"casUrl": url}
    refused(order_of(hub, tmp_path), FetchFailed)
    assert not hub.asked(containing="/v1/reconstructions/")
    hub.xet_access = {}

    def twist(made: dict[str, Any]) -> object:
        for offers in made["fetch_info"].values():
            offers[0]["url"] = url
        return made

    hub.twist = twist
    refused(order_of(hub, tmp_path), FetchFailed)


def test_a_key_that_is_no_header_is_none(hub: HubServer, tmp_path: Path) -> None:
    hub.xet_access = {"accessToken": "a\r\nHost: other"}
    assert "can be none" in refused(order_of(hub, tmp_path), HubAnswer)


def _less(made: dict[str, Any]) -> object:
    return {**made, "terms": made["terms"][:1]}


def _more(made: dict[str, Any]) -> object:
    return {**made, "terms": made["terms"] * 3}


def _huge(made: dict[str, Any]) -> object:
    return {**made, "terms": [{**made["terms"][0], "unpacked_length": 2**32 - 1}]}


def _before(made: dict[str, Any]) -> object:
    return {**made, "offset_into_first_range": -1}


def _behind(made: dict[str, Any]) -> object:
    return {**made, "offset_into_first_range": 2**40}


def _nowhere(made: dict[str, Any]) -> object:
    return {**made, "fetch_info": {}}


def _hostile(made: dict[str, Any]) -> object:
    return {**made, "terms": [{**each, "hash": "../../secret"} for each in made["terms"]]}


@pytest.mark.parametrize("twist", [_less, _more, _huge, _before, _behind, _nowhere, _hostile])
def test_a_plan_that_cannot_be_is_refused(
    hub: HubServer, tmp_path: Path, twist: Callable[[dict[str, Any]], object]
) -> None:
    hub.twist = twist
    said = refused(order_of(hub, tmp_path), HubAnswer)
    assert "Xet store" in said
    assert not hub.asked(containing="/xorbs/")


def test_what_unpacks_to_more_than_was_promised_is_cut_off(hub: HubServer, tmp_path: Path) -> None:
    """The chunks' headers say so before anything is unpacked, unless hf_xet had enough first."""
    hub.fault(MODEL, Fault("swell", where="xorb", times=None))
    said = refused(order_of(hub, tmp_path), HubAnswer)
    assert "unpacks to more" in said or "cannot be unpacked" in said


def test_what_chunks_unpack_to_is_seen_however_they_are_cut() -> None:
    chunk = swollen_chunk()
    for cut in (1, 7, 8, 9, len(chunk), 10_000):
        chunks = Chunks()
        chunks.most_bytes = 3 * 2 * CHUNK_BYTES
        part = chunks.of_one_part()
        body = chunk * 3
        for at in range(0, len(body), cut):
            part.see(body[at : at + cut])
        with pytest.raises(Misfit, match="unpacks to more"):
            part.see(chunk)


def test_a_limit_is_kept(hub: HubServer, tmp_path: Path) -> None:
    stop = threading.Event()
    timer = threading.Timer(2.0, stop.set)
    timer.start()
    told: list[FetchState] = []
    assert not Fetch(order_of(hub, tmp_path, bytes_per_s=MB), told.append, stop).run()
    timer.join()
    assert told[-1].came_bytes <= 4 * MB


def test_it_stops_at_once_also_while_nothing_comes(hub: HubServer, tmp_path: Path) -> None:
    hub.fault(MODEL, Fault("stall", where="xorb", after_bytes=1000, times=None))
    stop = threading.Event()
    ended: list[bool] = []
    fetch = Fetch(order_of(hub, tmp_path, stall_s=300.0), lambda _: None, stop)
    thread = threading.Thread(target=lambda: ended.append(fetch.run()))
    thread.start()
    wait_until(
        lambda: bool(hub.asked(containing="/xorbs/")), what="something to be asked", deadline_s=30
    )
    stop.set()
    thread.join(30)
    assert ended == [False]


def test_folders_of_killed_processes_are_removed_and_others_are_not(temporary: Path) -> None:
    script = (
        "import os, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from mlx_gui.fetch.xet.folder import PrivateFolder\n"
        "print(PrivateFolder().path, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(temporary)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        folder = Path(other.stdout.readline().strip())
        ours = PrivateFolder()
        assert folder.exists()
        other.kill()
        other.wait()
        second = PrivateFolder()
        assert not folder.exists()
        assert ours.path.exists()
    for each in (ours, second):
        each.remove()
    assert list(temporary.iterdir()) == []


def test_a_plan_is_read_and_told_with_other_addresses() -> None:
    size = XORB_BYTES * 2 + 100
    span = range(CHUNK_BYTES + 7, XORB_BYTES + 9)
    made = plan("a" * 64, size, span, "http://store/{}")
    found = read_plan(msgspec.json.encode(made), (span.start, span.stop))
    assert [offer.url for _, offer in found.offers] == ["http://store/0", "http://store/1"]
    told = msgspec.json.decode(found.encoded(lambda place: f"http://xet/5/{place}"))
    assert told["terms"] == made["terms"]
    assert b"store" not in found.encoded(str)
