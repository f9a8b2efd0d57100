"""Pictures that are made to harm: their reader ends, and the next one reads on."""

import os
import re
import signal
import sys
from functools import cache
from pathlib import Path

import psutil
import pytest
from PIL import Image

from mlx_gui.core.blob import Blob
from mlx_gui.core.errors import Cancelled, InvalidRequest, PayloadTooLarge, UnsupportedMedia
from mlx_gui.core.generation import ImagePart
from mlx_gui.core.worker_env import worker_environment
from mlx_gui.engines.base import TakesLong, always_wanted
from mlx_gui.engines.pictures.decoding import decode
from mlx_gui.engines.pictures.desk import PictureDesk
from mlx_gui.engines.pictures.picture import PictureLimits
from mlx_gui.engines.pictures.reading import PictureReader
from mlx_gui.kinds.vision_memory import PATIENT_READER_BYTES, QUICK_READER_BYTES
from tests.support.pictures import BLUE, RED, encoded, endless_jpeg, plain
from tests.support.soak import in_soak

LIMITS = PictureLimits()
PATIENCE_S = 120
"""Of what is not about time."""


LARGEST = ("AVIF", "TIFF", "progressive JPEG")
"""Of the formats that are not always looked at."""


@cache
def large(format: str) -> bytes:
    """One that takes nearly all the memory that a picture may."""
    side, mode, how = {
        "PNG": (8000, "RGBA", {}),
        "WEBP": (4300, "RGB", {"method": 0}),
        "AVIF": (4600, "RGB", {"speed": 10}),
        "TIFF": (6300, "RGB", {"compression": "tiff_lzw"}),
        "progressive JPEG": (6700, "RGB", {"progressive": True, "subsampling": 0}),
    }[format]
    return encoded(Image.new(mode, (side, side), "red"), format.split()[-1], **how)


def peak_bytes(process: psutil.Process) -> int:
    """The most that it has held since its start."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024


def children() -> list[psutil.Process]:
    return psutil.Process().children()


@pytest.fixture(autouse=True)
def environment_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they hand on to their readers says when the C library gives memory back."""
    for name, value in worker_environment(sys.platform).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def reader() -> PictureReader:
    return PictureReader()


def test_a_picture_is_the_same_as_read_here(reader: PictureReader, tmp_path: Path) -> None:
    data = encoded(Image.effect_noise((3000, 2000), 90).convert("RGB"), "JPEG")
    path = tmp_path / "0"
    path.write_bytes(data)

    for content in (data, Blob(str(path), len(data))):
        read, here = reader.decode(content, limits=LIMITS), decode(content, limits=LIMITS)

        assert read.digest == here.digest
        assert read.original_size == here.original_size == (3000, 2000)
        assert read.image.tobytes() == here.image.tobytes()


def test_a_refusal_comes_as_it_was_said(reader: PictureReader) -> None:
    with pytest.raises(UnsupportedMedia, match="it is a PDF document") as refusal:
        reader.decode(b"%PDF-1.4", limits=LIMITS, where="images[3]")

    assert refusal.value.details == {"param": "images[3]"}
    with pytest.raises(InvalidRequest, match="cannot be read"):
        reader.decode(plain(RED)[:60], limits=LIMITS)
    with pytest.raises(Cancelled):
        reader.decode(Blob("/gone", 300_000), limits=LIMITS)
    assert reader.decode(plain(RED), limits=LIMITS).size == (64, 64)


def test_what_takes_for_ever_is_ended_and_the_next_picture_is_read() -> None:
    reader = PictureReader(max_s=1)

    with pytest.raises(PayloadTooLarge, match="too long") as refusal:
        reader.decode(endless_jpeg(), limits=LIMITS, where="images[0]")

    assert refusal.value.details["param"] == "images[0]"
    assert reader.decode(plain(BLUE), limits=LIMITS).size == (64, 64)


def test_what_takes_too_much_memory_is_ended_and_the_next_picture_is_read() -> None:
    reader = PictureReader(memory_bytes=100_000_000)

    with pytest.raises(PayloadTooLarge, match="memory"):
        reader.decode(large("PNG"), limits=LIMITS)

    assert reader.decode(plain(BLUE), limits=LIMITS).size == (64, 64)


@pytest.mark.skipif(sys.platform != "linux", reason="reads peaks from /proc")
@pytest.mark.parametrize("format", ["PNG", *in_soak("WEBP", *LARGEST)])
def test_the_largest_pictures_take_no_more_than_is_planned(format: str) -> None:
    reader = PictureReader(max_s=PATIENCE_S)
    before = {child.pid for child in children()}

    assert reader.decode(large(format), limits=LIMITS).size == (2048, 2048)

    (own,) = [child for child in children() if child.pid not in before]
    assert LIMITS.most_decoding_bytes * 0.6 < peak_bytes(own) < PATIENT_READER_BYTES
    reader.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads peaks from /proc")
def test_a_photo_is_read_at_once_and_what_takes_more_waits_for_the_other_process() -> None:
    desk = PictureDesk(quick_s=PATIENCE_S, most_s=PATIENCE_S)
    before = {child.pid for child in children()}
    (photo,) = desk.read((ImagePart(plain(RED, (4032, 3024), "JPEG")),))
    assert photo.original_size == (4032, 3024)
    (quick,) = [child for child in children() if child.pid not in before]

    waits = (ImagePart(plain(RED, (2000, 2000), "WEBP")),)
    with pytest.raises(TakesLong) as put_off:
        list(desk.read(waits))
    assert peak_bytes(quick) < QUICK_READER_BYTES

    put_off.value.work(always_wanted)
    assert [each.size for each in desk.read(waits)] == [(2000, 2000)]
    desk.close()


def test_a_cancelled_request_ends_the_reading_of_its_picture(reader: PictureReader) -> None:
    looked = 0

    def cancelled_later() -> None:
        nonlocal looked
        looked += 1
        if looked > 3:
            raise Cancelled("Nobody waits.")

    with pytest.raises(Cancelled):
        reader.decode(endless_jpeg(), limits=LIMITS, still_wanted=cancelled_later)

    assert reader.decode(plain(BLUE), limits=LIMITS).size == (64, 64)


def test_a_process_that_was_killed_meanwhile_is_replaced(reader: PictureReader) -> None:
    before = {child.pid for child in children()}
    reader.decode(plain(RED), limits=LIMITS)
    (own,) = [child for child in children() if child.pid not in before]
    os.kill(own.pid, signal.SIGKILL)
    psutil.wait_procs([own], timeout=60)

    assert reader.decode(plain(BLUE), limits=LIMITS).size == (64, 64)


@pytest.mark.parametrize("times", [1, 2])
def test_a_picture_whose_process_is_killed_is_read_once_more(
    reader: PictureReader, times: int
) -> None:
    before = {child.pid for child in children()}
    killed: set[int] = set()

    def kill() -> None:
        for child in children():
            if child.pid not in before | killed and len(killed) < times:
                killed.add(child.pid)
                child.kill()

    if times == 1:
        large = encoded(Image.new("L", (8000, 8000)), "PNG")
        assert reader.decode(large, limits=LIMITS, still_wanted=kill).size == (2048, 2048)
    else:
        with pytest.raises(PayloadTooLarge, match="was ended"):
            reader.decode(endless_jpeg(), limits=LIMITS, still_wanted=kill)
    assert len(killed) == times


def test_a_request_whose_pictures_take_long_is_put_off_and_has_them_later() -> None:
    desk = PictureDesk(quick_s=0)
    slow = (ImagePart(plain(RED)), ImagePart(endless_jpeg(5)))
    with pytest.raises(TakesLong) as put_off:
        list(desk.read(slow))
    put_off.value.work(always_wanted)
    # They are this request's, not those of one that is alike.
    with pytest.raises(TakesLong):
        list(desk.read(tuple(ImagePart(part.data) for part in slow)))
    assert [each.size for each in desk.read(slow)] == [(64, 64), (2048, 2048)]
    desk.close()


def test_a_picture_that_takes_for_ever_is_refused_where_it_may_take_long() -> None:
    desk = PictureDesk(quick_s=0, most_s=0.3)
    with pytest.raises(TakesLong) as put_off:
        list(desk.read((ImagePart(endless_jpeg(), where="images[0]"),)))
    with pytest.raises(PayloadTooLarge, match=r"images\[0\].*too long"):
        put_off.value.work(always_wanted)
    desk.close()


def test_nothing_is_left_of_a_reader_that_is_closed_or_forgotten() -> None:
    before = {child.pid for child in children()}
    closed, forgotten = PictureReader(), PictureReader()
    for reader in (closed, forgotten):
        reader.decode(plain(RED), limits=LIMITS)
    closed.close()
    del reader, forgotten

    assert {child.pid for child in children()} <= before
