"""`mlx-gui transcribe`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mlx_gui.cli.able import able_model
from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Url, complete_models
from mlx_gui.cli.output import console, report_error, write_json
from mlx_gui.client import Client
from mlx_gui.client.sound import HeardPiece, HeardSound
from mlx_gui.core.errors import MlxGuiError, NotFound
from mlx_gui.core.model import Capability
from mlx_gui.core.subtitles import srt, vtt

Format = Literal["text", "srt", "vtt", "json"]

_ENDINGS = {"text": "txt", "srt": "srt", "vtt": "vtt", "json": "json"}


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of sound.")],
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
    format: Annotated[Format, typer.Option("--format", help="What is written.")] = "text",
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="CODE", help="Of the speech; found out otherwise."),
    ] = None,
    prompt: Annotated[
        str, typer.Option("--prompt", metavar="TEXT", help="Names and words that are said.")
    ] = "",
    translate: Annotated[bool, typer.Option("--translate", help="Write it in English.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Write a file for each there instead."),
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """The text goes to standard output, or into a folder; a file that fails keeps no other from
    its turn."""
    written = None if out is None else files_in(out, files, format)
    fields = {"prompt": prompt} if prompt else {}
    if language is not None and not translate:
        fields["language"] = language
    failed = 0
    with connect(url, data_dir) as client:
        needs: Capability = "translation" if translate else "transcription"
        fields["model"] = able_model(client, model, needs=needs, kind="transcription")
        for file in files:
            try:
                heard = _heard(client, file, fields, translate=translate)
                if written is not None:
                    _keep(_formatted(heard, format), written[file])
            except MlxGuiError as error:
                failed += 1
                named = error.message.startswith(str(file))
                report_error(error.message if named else f"{file}: {error.message}", error.hint)
                continue
            if written is None:
                _print(heard, file, format=format, several=len(files) > 1)
    if failed:
        raise typer.Exit(1)


def _heard(client: Client, file: Path, fields: dict[str, str], *, translate: bool) -> HeardSound:
    """What is said in `file`, with a bar on the terminal until it is there.

    A translation does not come piece by piece, so its bar has no end.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    screen = console(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as progress:
        bar = progress.add_task(f"{file.name}: sent", total=None)
        if translate:
            return client.translate_sound(file, fields)
        how_far = HowFar()
        with client.transcribe(file, fields) as stream:
            for piece in stream:
                how_far = how_far.after(piece)
                progress.update(
                    bar,
                    description=f"{file.name}: {how_far.words}",
                    completed=how_far.heard_s,
                    total=how_far.total_s,
                )
            return stream.heard


@dataclass(frozen=True, slots=True)
class HowFar:
    """How much of a sound is heard; `total_s` is None where nobody knows how long it is."""

    heard_s: float = 0.0
    total_s: float | None = None

    def after(self, piece: HeardPiece) -> "HowFar":
        """The same once `piece` has come. What is longer than its file says is so long at least."""
        heard_s = self.heard_s if piece.heard_s is None else piece.heard_s
        total_s = self.total_s if piece.duration is None else piece.duration
        return HowFar(heard_s, None if total_s is None else max(total_s, heard_s))

    @property
    def words(self) -> str:
        of = "" if self.total_s is None else f" of {_minutes(self.total_s)}"
        return f"{_minutes(self.heard_s)}{of} heard"


def files_in(out: Path, files: Sequence[Path], format: Format) -> dict[Path, Path]:
    """The file in the folder `out`, which is there then, for each of `files`.

    Raises BadParameter for two that would be one, and NotFound where there can be no folder.
    """
    written: dict[Path, Path] = {}
    for file in files:
        into = out / f"{file.stem}.{_ENDINGS[format]}"
        other = next((each for each, taken in written.items() if taken == into), file)
        if other != file:
            raise typer.BadParameter(f"{other} and {file} would both be written to {into}.")
        written[file] = into
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(out, error) from None
    return written


def _keep(text: str, file: Path) -> None:
    """Raises NotFound where the file cannot be written."""
    try:
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(file, error) from None


def _unwritable(path: Path, error: OSError) -> NotFound:
    return NotFound(
        f"{path} cannot be written: {error.strerror}.", hint="Check its folder and its rights."
    )


def _print(heard: HeardSound, file: Path, *, format: Format, several: bool) -> None:
    if format == "json":
        write_json(heard.raw)
        return
    if several:
        console().print(f"==> {file} <==", soft_wrap=True)
    console().print(_formatted(heard, format), soft_wrap=True)


def _formatted(heard: HeardSound, format: Format) -> str:
    cues: Sequence[tuple[float, float, str]] = [
        (each.start, each.end, each.text) for each in heard.segments
    ]
    match format:
        case "text":
            return heard.text
        case "srt":
            return srt(cues)
        case "vtt":
            return vtt(cues)
        case "json":
            return msgspec.json.format(msgspec.json.encode(heard.raw)).decode()


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
