"""`mlx-gui transcribe`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from mlx_gui.cli.able import able_model
from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Url, complete_models
from mlx_gui.cli.output import console, report_error, write_json
from mlx_gui.client import Client
from mlx_gui.client.sound import HeardSound
from mlx_gui.core.errors import MlxGuiError
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
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
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
            except MlxGuiError as error:
                failed += 1
                report_error(f"{file}: {error.message}", error.hint)
                continue
            _write(heard, file, format=format, out=out, several=len(files) > 1)
    if failed:
        raise typer.Exit(1)


def _heard(client: Client, file: Path, fields: dict[str, str], *, translate: bool) -> HeardSound:
    """What is said in `file`, with a line on the terminal until it is there."""
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        line = progress.add_task(f"{file.name}: sent", total=None)
        if translate:
            return client.translate_sound(file, fields)
        with client.transcribe(file, fields) as stream:
            for piece in stream:
                if piece.heard_s is not None:
                    progress.update(line, description=f"{file.name}: {_minutes(piece.heard_s)}")
            return stream.heard


def _write(
    heard: HeardSound, file: Path, *, format: Format, out: Path | None, several: bool
) -> None:
    text = _formatted(heard, format)
    if out is not None:
        (out / f"{file.stem}.{_ENDINGS[format]}").write_text(f"{text}\n", encoding="utf-8")
        return
    if format == "json":
        write_json(heard.raw)
        return
    if several:
        console().print(f"==> {file} <==", soft_wrap=True)
    console().print(text, soft_wrap=True)


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
    return f"{minutes}:{rest:02} heard"
