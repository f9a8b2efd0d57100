"""`mlx-gui speak`."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO

import typer

from mlx_gui.cli.able import able_model
from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Url, complete_models
from mlx_gui.core.errors import NotFound
from mlx_gui.core.sound_format import FORMATS, SoundFormat

PIPED = "-"
_PLAYERS = (("afplay",), ("pw-play",), ("paplay",), ("aplay", "-q"))
"""Programs that play a WAV file, of macOS and of Linux."""
_UNKNOWN = b"\xff\xff\xff\xff"
_WAV_SIZES = ((4, 8), (40, 44))
"""Where the header of a WAV has a size, and how many bytes come before what is counted."""


def command(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", show_default=False)] = None,
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Id of an installed model; not needed where only one can do it.",
            autocompletion=complete_models,
        ),
    ] = None,
    voice: Annotated[
        str | None, typer.Option("--voice", metavar="NAME", help="One of the model's voices.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", metavar="FACTOR", help="From 0.25 to 4.")
    ] = 1.0,
    format: Annotated[
        SoundFormat | None,
        typer.Option("--format", help="Of the sound; told by the file's name otherwise."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="NUMBER", help="Says the same text in the same way."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write it there; - is standard output."
        ),
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Plays the text, or writes its sound into a file. Without a TEXT it is read from what is
    piped in."""
    player = _player() if output is None else ()
    chosen = format or _format_of(output)
    wanted = {
        "input": _asked(text),
        "voice": voice,
        "speed": speed,
        "response_format": chosen,
        "seed": seed,
    }
    with connect(url, data_dir) as client:
        wanted["model"] = able_model(client, model, needs="speech", kind="speech")
        fields = {name: value for name, value in wanted.items() if value is not None}
        with client.speak(fields) as pieces:
            if output == PIPED:
                _copy(pieces, sys.stdout.buffer)
            elif output is None:
                _play(pieces, player)
            else:
                _write(pieces, Path(output))


def _asked(text: str | None) -> str:
    """The text, or what is piped in. Raises BadParameter where there is none."""
    said = _piped(may_be_typed=text == PIPED) if text is None or text == PIPED else text
    if not said.strip():
        raise typer.BadParameter("The text is empty.")
    return said


def _piped(*, may_be_typed: bool) -> str:
    given = sys.stdin
    if given is None or (given.isatty() and not may_be_typed):
        raise typer.BadParameter("Give a TEXT, or pipe one in.")
    try:
        # Whatever the locale says of it.
        return given.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter("The text is not UTF-8.") from None


def _format_of(output: str | None) -> SoundFormat:
    """What the name of a file asks for; a player gets WAV, and a pipe MP3."""
    if output is None:
        return "wav"
    if output == PIPED:
        return "mp3"
    ending = Path(output).suffix.lower().removeprefix(".")
    if ending == "ogg":
        return "opus"
    for each in FORMATS:
        if each == ending:
            return each
    raise typer.BadParameter(
        f"{output} names no format: end it with one of {', '.join(FORMATS)}, or set --format."
    )


def _player() -> tuple[str, ...]:
    """The program that plays a file. Raises NotFound where there is none."""
    for name, *arguments in _PLAYERS:
        if (program := shutil.which(name)) is not None:
            return (program, *arguments)
    names = ", ".join(name for name, *_ in _PLAYERS)
    raise NotFound(
        f"This system has no program that plays sound: {names} were looked for.",
        hint="Write it into a file with --output speech.mp3.",
    )


def _play(pieces: Iterable[bytes], player: tuple[str, ...]) -> None:
    with TemporaryDirectory(prefix="mlx-gui-speak-") as folder:
        file = Path(folder, "speech.wav")
        _write(pieces, file)
        ended = subprocess.run([*player, str(file)], check=False, stdin=subprocess.DEVNULL)
    if ended.returncode:
        raise NotFound(
            f"{player[0]} could not play it: it ended with {ended.returncode}.",
            hint="Write it into a file with --output speech.mp3.",
        )


def _write(pieces: Iterable[bytes], file: Path) -> None:
    """The whole sound, or nothing. Raises NotFound where the file cannot be written."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w+b") as into:
            _copy(pieces, into)
            _tell_size(into)
        part.replace(file)
    except OSError as error:
        raise NotFound(
            f"{file} cannot be written: {error.strerror}.", hint="Check its folder and its rights."
        ) from None
    finally:
        # Whatever ended it: it has its own name by then if it is whole.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _copy(pieces: Iterable[bytes], into: BinaryIO) -> None:
    for piece in pieces:
        into.write(piece)
        into.flush()


def _tell_size(file: BinaryIO) -> None:
    """What a WAV could not say of its size at its beginning."""
    size_bytes = file.seek(0, 2)
    for place, before in _WAV_SIZES:
        file.seek(0)
        head = file.read(place + 4)
        if head[:4] != b"RIFF" or head[place:] != _UNKNOWN:
            return
        file.seek(place)
        file.write((size_bytes - before).to_bytes(4, "little"))
