"""Files that last as long as their request: where they lie, and that nothing of them stays."""

import asyncio
import resource
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mlx_gui.core.blob import INLINE_BYTES, Blob, Content, open_content, size_of
from mlx_gui.core.errors import Cancelled, DiskFull, ShuttingDown
from mlx_gui.store.errors import StoreError
from mlx_gui.store.uploads import Incoming, RequestFiles, Uploads
from tests.support.disks import small_disk

PIECE = bytes(range(256)) * 256
LARGE = PIECE * 10


def take(files: RequestFiles, content: bytes, *, step: int = len(PIECE)) -> Content:
    """What becomes of `content` that arrives in pieces."""
    incoming = Incoming(files)
    for start in range(0, len(content), step):
        incoming.write(content[start : start + step])
    return incoming.complete()


def read(content: Content) -> bytes:
    with open_content(content) as opened:
        return opened.read()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def left_in(cache: Path) -> list[Path]:
    """All that lies in the folder of uploads."""
    return sorted((cache / "uploads").rglob("*"))


def test_what_is_small_travels_inside_the_request(tmp_path: Path) -> None:
    async def main() -> None:
        uploads = Uploads(tmp_path, left_bytes=0)
        async with uploads.of_request() as files:
            for size in (0, 1, INLINE_BYTES):
                content = b"x" * size
                assert await uploads.aside(partial(take, files, content)) == content
                assert size_of(content) == size
                assert read(content) == content
            assert left_in(tmp_path) == []
        await uploads.close()

    asyncio.run(main())


@pytest.mark.parametrize("size", [INLINE_BYTES + 1, len(LARGE)])
@pytest.mark.parametrize("step", [1000, len(PIECE), 10_000_000])
def test_what_is_large_lies_in_a_file_that_only_its_owner_may_read_until_the_request_ends(
    tmp_path: Path, size: int, step: int
) -> None:
    async def main() -> None:
        uploads = Uploads(tmp_path, left_bytes=0)
        async with uploads.of_request() as files:
            blob = await uploads.aside(partial(take, files, LARGE[:size], step=step))
            assert isinstance(blob, Blob)
            assert (blob.size_bytes, size_of(blob)) == (size, size)
            assert read(blob) == LARGE[:size]
            path = Path(blob.path)
            assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (
                0o600,
                0o700,
                0o700,
            )
        assert left_in(tmp_path) == []
        with pytest.raises(Cancelled, match="has ended"):
            read(blob)
        await uploads.close()

    asyncio.run(main())


def test_requests_have_folders_of_their_own_and_each_of_their_files_a_place(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        uploads = Uploads(tmp_path, left_bytes=0)
        async with uploads.of_request() as one, uploads.of_request() as other:
            blobs = [
                await uploads.aside(partial(take, files, bytes([number]) * len(LARGE)))
                for number, files in enumerate((one, one, other))
            ]
            assert [read(blob)[:1] for blob in blobs] == [b"\0", b"\1", b"\2"]
            assert len(left_in(tmp_path)) == 2 + 3
        await uploads.close()

    asyncio.run(main())


def test_a_fault_leaves_nothing_behind_not_even_what_is_half_written(tmp_path: Path) -> None:
    async def main() -> None:
        uploads = Uploads(tmp_path, left_bytes=0)

        async def upload() -> None:
            async with uploads.of_request() as files:
                await uploads.aside(partial(Incoming(files).write, LARGE))
                assert len(left_in(tmp_path)) == 2
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await upload()
        assert left_in(tmp_path) == []
        await uploads.close()

    asyncio.run(main())


def test_a_request_that_is_cancelled_twice_while_it_writes_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        uploads = Uploads(tmp_path, left_bytes=0)
        writing = asyncio.Event()

        async def upload() -> None:
            async with uploads.of_request() as files:
                incoming = Incoming(files)
                while True:
                    await uploads.aside(partial(incoming.write, LARGE))
                    writing.set()

        task = asyncio.create_task(upload())
        await writing.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await uploads.aside(lambda: None)
        assert left_in(tmp_path) == []
        await uploads.close()

    asyncio.run(main())


def test_what_a_killed_server_has_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    async def main() -> None:
        killed = Uploads(tmp_path, left_bytes=0)
        files = RequestFiles(killed.folder, left_bytes=0)
        await killed.aside(partial(take, files, LARGE))
        assert len(left_in(tmp_path)) == 2

        after_it = Uploads(tmp_path, left_bytes=0)
        assert left_in(tmp_path) == []
        await after_it.close()
        await killed.close()

    asyncio.run(main())


def test_the_end_of_the_server_removes_what_is_there_and_nothing_is_taken_any_more(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        uploads = Uploads(tmp_path, left_bytes=0)
        async with uploads.of_request() as files:
            await uploads.aside(partial(take, files, LARGE))
            await uploads.close()
            assert left_in(tmp_path) == []
            with pytest.raises(ShuttingDown):
                await uploads.aside(partial(take, files, LARGE))
        assert left_in(tmp_path) == []

    asyncio.run(main())


def test_a_folder_that_somebody_has_cleared_away_is_made_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    async def main() -> None:
        uploads = Uploads(cache, left_bytes=0)
        async with uploads.of_request() as files:
            await uploads.aside(partial(take, files, LARGE))
            for path in reversed([cache, *sorted(cache.rglob("*"))]):
                path.rmdir() if path.is_dir() else path.unlink()
        async with uploads.of_request() as files:
            blob = await uploads.aside(partial(take, files, LARGE))
            assert read(blob) == LARGE
        await uploads.close()

    asyncio.run(main())


def test_others_keep_some_room_on_the_disk(tmp_path: Path) -> None:
    refusal = refused(tmp_path, left_bytes=2**60, because=DiskFull)

    assert "stay free" in str(refusal)
    assert refusal.details["free_bytes"]


@pytest.mark.parametrize(
    ("left_bytes", "said"), [(0, "too little"), pytest.param(-(2**40), "is full", id="unforeseen")]
)
def test_a_full_disk_is_said_and_nothing_stays(tmp_path: Path, left_bytes: int, said: str) -> None:
    with small_disk(tmp_path):
        refusal = refused(tmp_path, left_bytes=left_bytes, because=DiskFull)

    assert said in str(refusal)


def test_a_file_that_may_not_grow_is_said_and_nothing_stays(tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, usual[1]))
    try:
        refusal = refused(tmp_path, left_bytes=0, because=StoreError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)

    assert "File too large" in str(refusal)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_text("no folder")

    refused(tmp_path, left_bytes=0, because=StoreError, left=list)


def refused(
    cache: Path,
    *,
    left_bytes: int,
    because: type[Exception],
    left: Callable[[], list[Path]] | None = None,
) -> Exception:
    """What a large content is refused by, after which nothing of it is there."""

    async def main() -> Exception:
        uploads = Uploads(cache, left_bytes=left_bytes)
        with pytest.raises(because) as refusal:
            async with uploads.of_request() as files:
                await uploads.aside(partial(take, files, LARGE * 10))
        assert (left() if left else left_in(cache)) == []
        await uploads.close()
        return refusal.value

    return asyncio.run(main())
