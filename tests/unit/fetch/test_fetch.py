"""Files are fetched whole and right, whatever the server does."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mlx_gui.core.errors import (
    Conflict,
    GatedModel,
    HubAnswer,
    HubUnreachable,
    ModelNotOnHub,
)
from mlx_gui.core.fetching import FetchOrder, FetchState
from mlx_gui.fetch.asking import Asker
from mlx_gui.fetch.locks import FileLock
from mlx_gui.fetch.part import is_verified
from mlx_gui.fetch.whole import Fetch
from tests.unit.fetch.shelf import (
    Handler,
    Shelf,
    always,
    cut,
    file_on,
    once,
    order_of,
    pack,
    refuse,
    send_on,
    serving,
)

BIG = os.urandom(11 * 1024 * 1024 + 7)
SMALL = b'{"model_type": "llama"}'


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving() as made:
        yield made


def fetched(order: FetchOrder) -> list[FetchState]:
    """What was told while all of it was fetched."""
    told: list[FetchState] = []
    assert Fetch(order, told.append, threading.Event()).run()
    for file in order.files:
        content = Path(file.target).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.digest
        assert not Path(file.part).exists()
        assert is_verified(file)
    return told


def ranges(shelf: Shelf, path: str) -> list[str]:
    return [headers["range"] for asked, headers in shelf.asked if asked == path]


def test_a_large_file_comes_in_several_ranges_at_once(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("big", BIG)
    shelf.put("small", SMALL)
    files = [file_on(shelf, tmp_path, path) for path in ("small", "big")]
    told = fetched(order_of(shelf, tmp_path, *files))
    assert len(set(ranges(shelf, "big"))) == 3
    assert sum(shelf.given_bytes.values()) == len(BIG) + len(SMALL)
    assert [state.done_bytes for state in told] == sorted(state.done_bytes for state in told)
    assert told[-1].done_bytes == told[-1].came_bytes == len(BIG) + len(SMALL)
    assert told[-1].files_done == 2


def test_small_files_are_known_by_gits_digest(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("small", SMALL)
    file = file_on(shelf, tmp_path, "small")
    digest = hashlib.sha1(b"blob %d\0" % len(SMALL) + SMALL).hexdigest()
    order = order_of(
        shelf, tmp_path, msgspec.structs.replace(file, digest=digest, algorithm="git-sha1")
    )
    assert Fetch(order, lambda _: None, threading.Event()).run()
    assert Path(file.target).read_bytes() == SMALL


def test_an_empty_file_is_a_file(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("empty", b"")
    fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "empty")))


def test_what_an_earlier_run_brought_is_not_asked_for_again(shelf: Shelf, tmp_path: Path) -> None:
    begun, gate = threading.Event(), threading.Event()

    def hold(handler: Handler, content: bytes) -> bool:
        if gate.is_set():
            return False
        if handler.headers["range"].startswith("bytes=0-"):
            handler.give(content)
            begun.set()
        else:
            begun.wait(30)
            handler.answer(404, b"")
        return True

    shelf.put("big", BIG, hold)
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"))
    with pytest.raises(ModelNotOnHub):
        Fetch(order, lambda _: None, threading.Event()).run()
    kept = shelf.given_bytes["big"]
    assert kept
    gate.set()
    shelf.asked.clear()
    told = fetched(order)
    assert told[0].done_bytes >= kept
    assert told[-1].came_bytes == len(BIG) - told[0].done_bytes
    assert "bytes=0-" not in [each[:8] for each in ranges(shelf, "big")]


@pytest.mark.parametrize(
    "trick",
    [
        once(cut, times=3),
        once(pack),
        always(pack),
        once(refuse(503), times=2),
        once(refuse(500), times=2),
        once(refuse(429, Retry_After="0"), times=3),
        once(refuse(416)),
        always(lambda handler, content: handler.answer(200, content)),
        once(lambda handler, content: handler.answer(206, content, Content_Range="bytes 5-9/10")),
        once(lambda handler, content: handler.answer(200, b"<html>sign in</html>")),
        once(lambda handler, content: handler.answer(200, bytes(len(content)))),
    ],
    ids=[
        "cut",
        "packed once",
        "always packed",
        "503",
        "500",
        "429",
        "416",
        "no ranges",
        "another range",
        "a page instead",
        "zeros instead",
    ],
)
def test_a_server_that_misbehaves_for_a_while_is_asked_again(
    shelf: Shelf, tmp_path: Path, trick: object
) -> None:
    shelf.put("big", BIG, trick)  # type: ignore[arg-type]
    told = fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big")))
    assert [state.done_bytes for state in told] == sorted(state.done_bytes for state in told)


@pytest.mark.parametrize(
    "trick",
    [
        once(lambda handler, content: handler.answer(200, content)),
        once(lambda handler, content: handler.answer(200, b"<html>sign in</html>"), times=2),
        once(refuse(416)),
    ],
    ids=["the whole once", "a page twice", "416"],
)
def test_one_strange_answer_does_not_make_a_large_file_begin_anew(
    shelf: Shelf, tmp_path: Path, trick: object
) -> None:
    shelf.put("big", BIG, trick)  # type: ignore[arg-type]
    fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big")))
    assert all("range" in headers for _, headers in shelf.asked)


def test_a_server_that_heeds_no_conditions_is_asked_without(shelf: Shelf, tmp_path: Path) -> None:
    def whole_on_condition(handler: Handler, content: bytes) -> bool:
        if "if-range" not in handler.headers:
            return False
        handler.answer(200, content, ETag=shelf.etag("big"))
        return True

    shelf.put("big", BIG, once(cut, times=3), whole_on_condition)
    fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big")))
    assert all("range" in headers for _, headers in shelf.asked)


def test_connections_are_used_again(shelf: Shelf, tmp_path: Path) -> None:
    for number in range(20):
        shelf.put(f"{number}", os.urandom(1000))
    files = [file_on(shelf, tmp_path, f"{number}") for number in range(20)]
    fetched(order_of(shelf, tmp_path, *files, connections=2))
    assert len(shelf.peers) <= 2


def test_a_file_that_came_damaged_is_fetched_again_and_no_other(
    shelf: Shelf, tmp_path: Path
) -> None:
    def flip(handler: Handler, content: bytes) -> None:
        handler.give(content[:100] + bytes([content[100] ^ 1]) + content[101:])

    shelf.put("big", BIG, once(flip, times=3))
    shelf.put("other", BIG[: 5 * 1024 * 1024])
    shelf.etags["big"] = '"one"'
    files = [file_on(shelf, tmp_path, path) for path in ("other", "big")]
    fetched(order_of(shelf, tmp_path, *files))
    assert shelf.given_bytes["other"] == 5 * 1024 * 1024
    assert shelf.given_bytes["big"] == 2 * len(BIG)


def test_a_byte_that_was_flipped_on_the_disk_is_found(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("big", BIG)
    file = file_on(shelf, tmp_path, "big")
    damaged = BIG[:-1] + bytes([BIG[-1] ^ 1])
    Path(file.part).write_bytes(damaged)
    journal = {"size_bytes": len(BIG), "validator": None, "spans": [[0, len(BIG)]]}
    Path(file.journal).write_bytes(msgspec.json.encode(journal))
    fetched(order_of(shelf, tmp_path, file))
    assert shelf.given_bytes["big"] == len(BIG)


def test_what_others_have_brought_is_looked_at_and_not_fetched(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put("big", BIG)
    file = file_on(shelf, tmp_path, "big")
    Path(file.target).write_bytes(BIG)
    told = fetched(order_of(shelf, tmp_path, file))
    assert shelf.asked == []
    assert (told[0].done_bytes, told[-1].files_done) == (len(BIG), 1)


def test_a_whole_file_that_was_damaged_since_is_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("big", BIG)
    file = file_on(shelf, tmp_path, "big")
    fetched(order_of(shelf, tmp_path, file))
    shelf.given_bytes.clear()
    fetched(order_of(shelf, tmp_path, file))
    assert shelf.given_bytes == {}
    with Path(file.target).open("r+b") as content:
        content.write(bytes([BIG[0] ^ 1]))
    assert not is_verified(file)
    fetched(order_of(shelf, tmp_path, file))
    assert shelf.given_bytes == {"big": len(BIG)}


@pytest.mark.parametrize(
    "journal",
    [
        b"",
        b"{",
        b'{"size_bytes": 3, "validator": null, "spans": [[0, 3]]}',
        b'{"size_bytes": %d, "validator": null, "spans": [[0, %d]]}' % (len(BIG), len(BIG)),
        b'{"size_bytes": %d, "validator": null, "spans": [[5, 2]]}' % len(BIG),
        b'{"size_bytes": %d, "validator": null, "spans": [[-5, 2]]}' % len(BIG),
    ],
)
def test_a_journal_that_cannot_be_right_counts_for_nothing(
    shelf: Shelf, tmp_path: Path, journal: bytes
) -> None:
    shelf.put("big", BIG)
    file = file_on(shelf, tmp_path, "big")
    Path(file.part).write_bytes(b"short")
    Path(file.journal).write_bytes(journal)
    assert fetched(order_of(shelf, tmp_path, file))[0].done_bytes == 0


def test_a_file_that_changes_between_its_parts_is_begun_anew(shelf: Shelf, tmp_path: Path) -> None:
    old = os.urandom(len(BIG))
    shelf.put("big", old)
    shelf.etags["big"] = '"old"'
    file = file_on(shelf, tmp_path, "big", BIG)

    def replace_it(handler: Handler, content: bytes) -> None:
        cut(handler, content)
        shelf.files["big"] = BIG
        shelf.etags["big"] = '"new"'

    shelf.tricks["big"] = [once(replace_it)]
    fetched(order_of(shelf, tmp_path, file, connections=1))
    conditions = [headers.get("if-range") for _, headers in shelf.asked]
    assert '"old"' in conditions
    assert '"new"' in conditions


def test_a_link_that_has_expired_is_asked_for_anew(shelf: Shelf, tmp_path: Path) -> None:
    valid = {"1"}

    def signed(handler: Handler, content: bytes) -> bool:
        if handler.path.endswith(tuple(f"?{each}" for each in valid)):
            return False
        handler.answer(403, b"expired")
        return True

    def resolve(handler: Handler, _: bytes) -> bool:
        handler.answer(302, b"", Location=f"/store?{max(valid)}")
        return True

    def expire(handler: Handler, content: bytes) -> None:
        handler.give(content)
        valid.clear()
        valid.add("2")

    shelf.put("big", BIG, resolve)
    shelf.put("store", BIG, signed, once(expire))
    fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"), connections=2))
    assert sum(path == "big" for path, _ in shelf.asked) >= 2


def test_the_token_goes_to_the_hub_and_nowhere_else(shelf: Shelf, tmp_path: Path) -> None:
    with serving() as elsewhere:
        elsewhere.put("store", BIG)
        shelf.put("big", BIG, always(send_on(f"{elsewhere.address}/store")))
        fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big")))
        assert {headers.get("authorization") for _, headers in shelf.asked} == {"Bearer hf_secret"}
        assert elsewhere.asked
        assert not any("authorization" in headers for _, headers in elsewhere.asked)


@pytest.mark.parametrize(
    "target",
    [
        "file:/x/y",
        "ftp://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://[fe80::1]/x",
        "http://0.0.0.0/x",
        "http://[::ffff:10.0.0.1]/x",
        "http://user:secret@127.0.0.1/x",
        "http://[",
        "",
        "data:text/plain,x",
    ],
)
def test_nobody_is_led_where_nothing_is_to_be_fetched(
    shelf: Shelf, tmp_path: Path, target: str
) -> None:
    shelf.put("big", BIG, always(send_on(target)))
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"))
    with pytest.raises(HubAnswer, match=r"refused|circle"):
        Fetch(order, lambda _: None, threading.Event()).run()


def test_redirects_without_an_end_have_one(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("big", BIG, always(send_on("/big")))
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"))
    with pytest.raises(HubAnswer, match="circle"):
        Fetch(order, lambda _: None, threading.Event()).run()
    assert len(shelf.asked) <= 4 * 8


@pytest.mark.parametrize(
    ("status", "error"), [(401, GatedModel), (403, GatedModel), (404, ModelNotOnHub)]
)
def test_what_the_hub_refuses_is_refused(
    shelf: Shelf, tmp_path: Path, status: int, error: type[Exception]
) -> None:
    shelf.put("big", BIG, always(refuse(status)))
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"))
    with pytest.raises(error):
        Fetch(order, lambda _: None, threading.Event()).run()


def test_a_hub_that_refuses_in_the_middle_is_asked_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("small", SMALL)
    shelf.put("big", BIG, once(refuse(403), times=2))
    files = [file_on(shelf, tmp_path, path) for path in ("small", "big")]
    fetched(order_of(shelf, tmp_path, *files, connections=1))


def test_a_file_that_is_never_right_is_given_up(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("small", SMALL)
    file = file_on(shelf, tmp_path, "small", bytes(len(SMALL)))
    with pytest.raises(HubAnswer, match="another digest"):
        Fetch(order_of(shelf, tmp_path, file), lambda _: None, threading.Event()).run()
    assert not Path(file.target).exists()


def test_a_file_of_another_length_is_given_up(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("small", SMALL)
    file = file_on(shelf, tmp_path, "small", SMALL + b"more")
    with pytest.raises(HubAnswer, match="has 23 bytes"):
        Fetch(order_of(shelf, tmp_path, file), lambda _: None, threading.Event()).run()


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with serving() as gone:
        gone.put("small", SMALL)
        order = order_of(gone, tmp_path, file_on(gone, tmp_path, "small"), patience_s=0.0)
    with pytest.raises(HubUnreachable, match=r"127\.0\.0\.1 cannot be reached"):
        Fetch(order, lambda _: None, threading.Event()).run()


def test_a_line_that_drips_or_is_silent_is_left(shelf: Shelf, tmp_path: Path) -> None:
    done = threading.Event()

    def drip(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for number in range(len(content)):
            handler.wfile.write(content[number : number + 1])
            handler.wfile.flush()
            if done.wait(0.02):
                return

    shelf.put("big", BIG, once(drip, times=2))
    try:
        fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"), stall_s=0.3))
    finally:
        done.set()


def test_a_server_that_falls_silent_is_left(shelf: Shelf, tmp_path: Path) -> None:
    done = threading.Event()
    shelf.put("big", BIG, once(lambda *_: done.wait(30) and None, times=2))
    try:
        fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"), stall_s=0.3))
    finally:
        done.set()


def test_retry_after_is_waited_for_and_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("small", SMALL, once(refuse(429, Retry_After="1")))
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "small"), connections=1)
    began_s = time.monotonic()
    fetched(order)
    assert time.monotonic() - began_s >= 1


@pytest.mark.parametrize(
    ("told", "waits_s"),
    [
        ("7", 7),
        ("999999999", 86_400),
        ("9" * 5000, 86_400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("soon", None),
    ],
)
def test_a_hub_may_say_when_to_come_back_but_not_anything(
    shelf: Shelf, tmp_path: Path, told: str, waits_s: int | None
) -> None:
    shelf.put("small", SMALL, always(refuse(429, Retry_After=told)))
    asker = Asker(shelf.address, token=None, agent="x", silence_s=5, connections=1)
    with pytest.raises(HubUnreachable) as refused, asker.open(f"{shelf.address}/small"):
        pass
    asker.close()
    assert refused.value.retry_after_s == waits_s


def test_a_range_of_figures_that_no_file_has_is_none(shelf: Shelf, tmp_path: Path) -> None:
    def absurd(handler: Handler, content: bytes) -> None:
        handler.answer(206, content, **{"Content-Range": f"bytes 0-{'9' * 5000}/*"})

    shelf.put("small", SMALL, once(absurd))
    fetched(order_of(shelf, tmp_path, file_on(shelf, tmp_path, "small")))


def test_a_limit_holds_and_may_be_lifted(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("big", BIG)
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"), bytes_per_s=1024 * 1024)
    told: list[FetchState] = []
    fetch = Fetch(order, told.append, threading.Event())
    thread = threading.Thread(target=fetch.run)
    thread.start()
    deadline_s = time.monotonic() + 30
    while not any(state.done_bytes for state in told):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert told[-1].done_bytes < len(BIG)
    fetch.limit.set(0)
    thread.join(30)
    assert Path(order.files[0].target).exists()


def test_whoever_stops_it_keeps_what_has_come(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("big", BIG)
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "big"), bytes_per_s=1024 * 1024)
    stop, told = threading.Event(), list[FetchState]()

    def tell(state: FetchState) -> None:
        told.append(state)
        if state.done_bytes:
            stop.set()

    assert not Fetch(order, tell, stop).run()
    assert not Path(order.files[0].target).exists()
    assert fetched(msgspec.structs.replace(order, bytes_per_s=0))[0].done_bytes > 0


def test_who_fetches_the_same_is_waited_for(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("small", SMALL)
    file = file_on(shelf, tmp_path, "small")
    order = order_of(shelf, tmp_path, file)
    for path in (order.lock, file.lock):
        other = FileLock(path)
        assert other.take()
        asked = len(shelf.asked)
        told: list[FetchState] = []
        thread = threading.Thread(
            target=lambda told=told: Fetch(order, told.append, threading.Event()).run()
        )
        thread.start()
        deadline_s = time.monotonic() + 30
        while not told:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        assert len(shelf.asked) == asked
        Path(file.target).write_bytes(SMALL)
        other.release()
        thread.join(30)
        assert not thread.is_alive()
        # The other has brought it meanwhile.
        assert len(shelf.asked) == asked
        assert told[-1].files_done == 1
        Path(file.target).unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("small", SMALL)
    order = order_of(shelf, tmp_path, file_on(shelf, tmp_path, "small"))
    (tmp_path / "locks").mkdir()
    tmp_path.chmod(0o500)
    with pytest.raises(Conflict, match="cannot be written"):
        Fetch(order, lambda _: None, threading.Event()).run()
