"""Files of pictures: the pixels that a model gets, and what is refused."""

import struct
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngInfo

from mlx_gui.core.blob import Blob, Content
from mlx_gui.core.errors import (
    Cancelled,
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedMedia,
)
from mlx_gui.engines.pictures.decoding import NotQuick, decode
from mlx_gui.engines.pictures.needs import webp_size
from mlx_gui.engines.pictures.picture import Picture, PictureLimits
from mlx_gui.engines.pictures.scaling import seen
from tests.support.pictures import BLUE, HALVES_HEIC, RED, TURNED_HEIC, encoded, plain

LIMITS = PictureLimits()
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def pixels(content: Content, **limits: int) -> Picture:
    return decode(content, limits=PictureLimits(**limits), where="messages[0].content[1]")


def near(found: Any, wanted: tuple[int, int, int], by: int = 6) -> bool:
    return all(abs(one - other) <= by for one, other in zip(found, wanted, strict=True))


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png_that_says(width: int, height: int) -> bytes:
    """A small file; what it says of its size is all that is true."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_picture_is_seen_in_every_format(format: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (80, 60), RED)
    image.paste(BLUE, (40, 0, 80, 60))
    data = encoded(image, format)
    path = tmp_path / "named.png"
    path.write_bytes(data)

    for content in (data, Blob(str(path), len(data))):
        picture = pixels(content)

        assert picture.image.mode == "RGB"
        assert picture.size == picture.original_size == (80, 60)
        assert near(picture.image.getpixel((10, 30)), RED)
        assert near(picture.image.getpixel((70, 30)), BLUE)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_stands_upright_however_the_camera_was_held(turn: int) -> None:
    upright = Image.new("RGB", (80, 60), "white")
    upright.paste(RED, (0, 0, 20, 20))
    back = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[turn]  # fmt: skip
    stored = upright if back is None else upright.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = turn

    picture = pixels(encoded(stored, "PNG", exif=exif.tobytes()))

    assert picture.size == picture.original_size == (80, 60)
    assert picture.image.tobytes() == upright.tobytes()


def test_heic_is_seen_as_it_stands_upright() -> None:
    seen = pixels(HALVES_HEIC)
    assert seen.size == seen.original_size == (80, 60)
    assert near(seen.image.getpixel((10, 30)), RED)
    assert near(seen.image.getpixel((70, 30)), BLUE)

    turned = pixels(TURNED_HEIC)
    assert turned.size == turned.original_size == (80, 60)
    assert near(turned.image.getpixel((8, 8)), RED, by=20)
    assert near(turned.image.getpixel((8, 50)), (255, 255, 255), by=20)
    assert near(turned.image.getpixel((70, 8)), (255, 255, 255), by=20)


@pytest.mark.parametrize("length", [40, 300, len(HALVES_HEIC) - 5])
def test_heic_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(InvalidRequest, match="HEIC"):
        pixels(HALVES_HEIC[:length])


def test_heic_is_refused_by_the_name_of_what_reads_it_where_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)

    with pytest.raises(UnsupportedMedia, match="is HEIC, and what reads that") as refusal:
        pixels(HALVES_HEIC)

    assert "mlx-gui[heic]" in refusal.value.hint
    assert refusal.value.details["param"] == "messages[0].content[1]"


def test_nonsense_about_the_camera_is_not_believed() -> None:
    data = encoded(Image.new("RGB", (40, 30), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")

    assert pixels(data).size == (40, 30)


def palette_with_gap() -> Image.Image:
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, *RED])
    image.paste(0, (0, 0, 20, 40))
    return image


@pytest.mark.parametrize(
    ("image", "how", "wanted"),
    [
        (Image.new("RGBA", (40, 40), (*RED, 0)), {}, (255, 255, 255)),
        (Image.new("RGBA", (40, 40), (*RED, 128)), {}, (255, 127, 127)),
        (Image.new("LA", (40, 40), (0, 128)), {}, (127, 127, 127)),
        (palette_with_gap(), {"transparency": 0}, (255, 255, 255)),
        (palette_with_gap(), {}, (0, 0, 0)),
        (Image.new("L", (40, 40), 7), {"transparency": 7}, (255, 255, 255)),
        (Image.new("RGB", (40, 40), RED), {"transparency": RED}, (255, 255, 255)),
        (Image.new("1", (40, 40), 1), {}, (255, 255, 255)),
        (Image.new("I;16", (40, 40), 0x8080), {}, (128, 128, 128)),
    ],
)
def test_pngs_of_every_mode_become_what_is_seen_on_white(
    image: Image.Image, how: dict[str, Any], wanted: tuple[int, int, int]
) -> None:
    assert near(pixels(encoded(image, "PNG", **how)).image.getpixel((5, 5)), wanted, by=1)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_colours_for_print_become_those_of_a_screen(format: str) -> None:
    image = Image.new("CMYK", (40, 40), (0, 255, 255, 0))

    assert near(pixels(encoded(image, format)).image.getpixel((5, 5)), RED)


@pytest.mark.parametrize(
    ("mode", "low", "high"), [("I", 0, 100_000), ("F", 0.0, 1.0), ("F", -500.0, 2.5)]
)
def test_numbers_of_any_range_are_shown_from_black_to_white(
    mode: str, low: float, high: float
) -> None:
    image = Image.new(mode, (40, 40), low)
    image.paste(high, (20, 0, 40, 40))

    seen = pixels(encoded(image, "TIFF")).image

    assert seen.getpixel((5, 5)) == (0, 0, 0)
    assert seen.getpixel((35, 5)) == (255, 255, 255)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="no numbers"):
        pixels(encoded(Image.new("F", (40, 40), float("inf")), "TIFF"))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_several_pictures_in_a_file_the_first_is_seen(format: str) -> None:
    first, second = Image.new("RGB", (40, 40), RED), Image.new("RGB", (40, 40), BLUE)

    picture = pixels(encoded(first, format, save_all=True, append_images=[second]))

    assert near(picture.image.getpixel((5, 5)), RED)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_too_large_for_models_is_scaled_down_and_keeps_its_shape(format: str) -> None:
    image = Image.new("RGB", (1200, 600), RED)
    image.paste(BLUE, (600, 0, 1200, 600))

    picture = pixels(encoded(image, format), most_pixels=20_000)

    assert picture.size == (200, 100)
    assert picture.original_size == (1200, 600)
    assert picture.scaled_down
    assert near(picture.image.getpixel((20, 50)), RED)
    assert near(picture.image.getpixel((180, 50)), BLUE)


def test_the_transparent_is_not_mixed_into_what_is_scaled_down() -> None:
    image = Image.new("RGBA", (800, 800), (*BLUE, 0))
    image.paste((*RED, 255), (400, 0, 800, 800))

    seen = pixels(encoded(image), most_pixels=10_000).image

    blues = [pixel[2] for pixel in (seen.getpixel((x, 50)) for x in range(100))]  # pyright: ignore
    assert max(blues) == 255
    assert all(red >= 250 for red in (seen.getpixel((x, 50))[0] for x in range(100)))  # pyright: ignore


@pytest.mark.parametrize(
    ("size", "wanted"), [((1, 1), (28, 28)), ((3, 90), (28, 840)), ((28, 2000), (28, 2000))]
)
def test_what_is_too_small_for_models_is_enlarged(
    size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    picture = pixels(plain(RED, size))

    assert picture.size == wanted
    assert picture.original_size == size
    assert not picture.scaled_down
    assert near(picture.image.getpixel((14, 14)), RED)


def test_the_digest_is_that_of_what_is_seen() -> None:
    seen = pixels(plain(RED, format="PNG")).digest

    assert len(seen) == 32
    assert pixels(plain(RED, format="BMP")).digest == seen
    assert pixels(plain((254, 0, 0))).digest != seen
    # As many pixels, all the same, in another shape.
    assert pixels(plain(RED, (128, 32))).digest != pixels(plain(RED, (32, 128))).digest


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<?xml version='1.0'?>\n<!-- a -->\n<svg/>", "an SVG drawing"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\n <!DOCTYPE html><html>", "an HTML page"),
        (b"<rss/>", "an XML or HTML document"),
        (b'{"error": "not found"}', "JSON"),
        (b"not a picture", "text"),
        (b"PK\x03\x04" + bytes(60), "a ZIP archive"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "an MP4 or MOV video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "WAV sound"),
        (b"\x7fELF" + bytes(60), "a program"),
        (bytes(100), "no known kind of file"),
    ],
)
def test_what_is_no_picture_is_told_what_it_is(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=f"it is {name}") as refusal:
        pixels(data)

    assert "AVIF" in refusal.value.hint
    assert refusal.value.details["param"] == "messages[0].content[1]"


@pytest.mark.parametrize("data", [png_that_says(0, 0), HALVES_HEIC[:28] + bytes(200)])
def test_what_only_begins_like_a_picture_is_told_so(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="it begins like one, and what follows is none"):
        pixels(data)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_its_end_is_refused(format: str) -> None:
    data = encoded(Image.effect_noise((200, 200), 80).convert("RGB"), format)

    for length in (len(data) // 2, len(data) * 9 // 10, 40):
        with pytest.raises(InvalidRequest):
            pixels(data[:length])


@pytest.mark.parametrize("format", FORMATS)
def test_damage_anywhere_ends_in_pixels_or_a_refusal(format: str) -> None:
    data = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), format)

    for place in range(0, len(data), max(len(data) // 150, 1)):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        with suppress(InvalidRequest, PayloadTooLarge, UnsupportedMedia):
            pixels(bytes(broken))


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="0 bytes"):
        pixels(b"")


@pytest.mark.parametrize("side", [10_000, 100_000])
def test_a_bomb_is_refused_before_it_is_opened(side: int) -> None:
    with pytest.raises(PayloadTooLarge, match="67108864"):
        pixels(png_that_says(side, side))


def test_the_pixels_that_are_read_are_bounded_by_the_limit() -> None:
    with pytest.raises(PayloadTooLarge, match=r"100x100 \(10000\)"):
        pixels(plain(RED, (100, 100)), most_source_pixels=9_999)


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "PNG"])
def test_what_takes_more_memory_than_there_is_for_it_is_refused_with_both_figures(
    format: str,
) -> None:
    with pytest.raises(PayloadTooLarge, match=r"400x300 pixels, which as \w+ take .* are there"):
        pixels(plain(RED, (400, 300), format), most_decoding_bytes=400_000)


@pytest.mark.parametrize(
    "how", [{}, {"lossless": True}, {"exif": Image.Exif().tobytes()}, {"quality": 5, "method": 0}]
)
def test_a_webp_says_its_size_before_it_is_opened(how: dict[str, Any]) -> None:
    data = encoded(Image.new("RGB", (300, 77), RED), "WEBP", **how)

    assert webp_size(data[:512]) == (300, 77)
    for length in range(30):
        assert webp_size(data[:length]) is None


def test_a_webp_that_says_too_much_is_refused_before_it_is_opened() -> None:
    data = encoded(Image.new("RGB", (64, 64), RED), "WEBP", exif=Image.Exif().tobytes())
    large = data[:24] + (8_000).to_bytes(3, "little") * 2 + data[30:]
    with pytest.raises(PayloadTooLarge, match=r"8001x8001 pixels, which as WebP take .* are there"):
        pixels(large)


def test_what_a_file_says_in_words_is_none_of_its_form() -> None:
    words = PngInfo()
    words.add_text("progressive", "1")

    assert pixels(encoded(Image.new("RGB", (40, 30), RED), pnginfo=words)).size == (40, 30)


def test_what_is_not_quick_is_told_before_it_is_decoded() -> None:
    data = plain(RED, (100, 100))
    with pytest.raises(NotQuick):
        decode(data, limits=LIMITS, quick_bytes=39_999)
    assert decode(data, limits=LIMITS, quick_bytes=40_000).size == (100, 100)


def test_a_large_picture_is_the_same_in_strips() -> None:
    image = Image.effect_noise((1500, 2900), 90).convert("RGB")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    whole = image.resize((750, 1450), Image.Resampling.BICUBIC)
    white = Image.new("RGBA", whole.size, "white")
    wanted = Image.alpha_composite(white, whole).convert("RGB")

    found = seen(image, (750, 1450))

    assert max(high for _, high in ImageChops.difference(found, wanted).getextrema()) <= 1  # pyright: ignore


@pytest.mark.parametrize("size", [(20_000, 2), (2, 20_000)])
def test_a_picture_that_is_nearly_a_line_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequest, match="200 times"):
        pixels(plain(RED, size))


def test_the_narrowest_that_is_taken_stays_within_that_when_it_is_scaled_down() -> None:
    wide, high = pixels(plain(RED, (8000, 40)), most_pixels=100_000).size

    assert wide / high <= 200


def test_a_file_of_a_request_that_has_ended_ends_the_preparation(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        pixels(Blob(str(tmp_path / "gone"), 100))


def test_nothing_but_the_named_formats_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Any] = []
    real: Callable[..., Any] = Image.open

    def watched(file: Any, **how: Any) -> Any:
        opened.append(how["formats"])
        return real(file, **how)

    monkeypatch.setattr(Image, "open", watched)
    pixels(plain(RED, format="WEBP"))

    assert opened == [("WEBP",)]
