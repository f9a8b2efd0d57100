"""`mlx-gui run`: one question to a model, or a conversation with it in the terminal."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from mlx_gui.cli import run_options as option
from mlx_gui.cli.answer_format import read_format
from mlx_gui.cli.chat import Chat
from mlx_gui.cli.connection import connect
from mlx_gui.cli.conversation import converse
from mlx_gui.cli.following import follow
from mlx_gui.cli.options import DataDir, ModelName, Url
from mlx_gui.cli.output import console, write_json
from mlx_gui.cli.shown_pictures import Unshowable, data_url
from mlx_gui.client import AnswerOptions, Client
from mlx_gui.core.errors import ModelNotFound, NotReady
from mlx_gui.wire.models import ModelObject

INTERRUPTED = 128 + signal.SIGINT


def command(
    model: ModelName,
    prompt: option.Prompt = None,
    *,
    image: option.Image = None,
    system: option.System = None,
    temperature: option.Temperature = None,
    top_p: option.TopP = None,
    top_k: option.TopK = None,
    min_p: option.MinP = None,
    repeat_penalty: option.RepeatPenalty = None,
    max_tokens: option.MaxTokens = None,
    seed: option.Seed = None,
    stop: option.Stop = None,
    think: option.Think = None,
    effort: option.EffortLevel = None,
    show_thinking: option.Thinking = None,
    answer_format: option.Format = None,
    raw: option.Raw = False,
    json: option.WholeAnswer = False,
    verbose: option.Verbose = False,
    pull: option.Pull = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Ctrl-C stops an answer. Ctrl-D, /bye or Ctrl-C twice leaves the chat; /help says more.

    A model that is not installed is downloaded from the hub, if you want it.

    Text that is piped in is added to the prompt, or is the prompt.
    """
    options = AnswerOptions(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        repetition_penalty=repeat_penalty,
        max_tokens=max_tokens,
        seed=seed,
        stop=tuple(stop or ()),
        enable_thinking=think,
        reasoning_effort=effort,
        response_format=None if answer_format is None else read_format(answer_format),
    )
    if raw and system is not None:
        raise typer.BadParameter("--system needs a chat template, which --raw leaves out.")
    if raw and image:
        raise typer.BadParameter("--image needs a chat template, which --raw leaves out.")
    pictures = _pictures(image or [])
    with connect(url, data_dir) as client:
        typed = sys.stdin is not None and sys.stdin.isatty()
        question = prompt if typed else _with_piped(prompt, exactly=raw)
        if question is None and (raw or json or image):
            flag = "--raw" if raw else "--json" if json else "--image"
            raise typer.BadParameter(f"{flag} needs a PROMPT.")
        found = _here(client, model, pull=pull)
        sees = "vision" in found.capabilities
        if pictures and not sees:
            raise typer.BadParameter(f"{found.id} reads text only and sees no pictures.")
        chat = Chat(
            client,
            _make_ready(client, found),
            options=options,
            raw=raw,
            verbose=verbose,
            show_thinking=show_thinking,
            system=system,
            sees=sees,
        )
        if question is None:
            converse(chat)
        elif json:
            write_json(chat.whole_answer(question, pictures))
        elif not chat.ask(question, pictures):
            raise typer.Exit(INTERRUPTED)


def _pictures(paths: Sequence[Path]) -> list[str]:
    try:
        return [data_url(path) for path in paths]
    except Unshowable as refusal:
        raise typer.BadParameter(str(refusal)) from None


def _with_piped(prompt: str | None, *, exactly: bool) -> str:
    """The prompt and what is piped in; `exactly` leaves the white space around that."""
    try:
        # Without any standard input nothing is piped in either.
        piped = "" if sys.stdin is None else sys.stdin.read()
    except UnicodeDecodeError:
        raise typer.BadParameter("What is piped in is not UTF-8.") from None
    parts = (prompt, piped if exactly else piped.strip())
    question = "\n\n".join(part for part in parts if part)
    if not question.strip():
        raise typer.BadParameter("Nothing was piped in and no PROMPT is given.")
    return question


def _make_ready(client: Client, found: ModelObject) -> str:
    """The model's full id, once it is loaded; a refusal comes before any question is typed."""
    if found.state not in ("ready", "busy"):
        with console(stderr=True).status(f"Loading {found.id}"):
            client.load(found.id)
    return found.id


def _here(client: Client, name: str, *, pull: bool) -> ModelObject:
    """The model, once it is installed. Raises ModelNotFound where nobody wants it to be."""
    try:
        return client.model(name)
    except (ModelNotFound, NotReady) as missing:
        under_way = isinstance(missing, NotReady) and "job" in missing.details
        if name.count("/") != 1 or not (under_way or isinstance(missing, ModelNotFound)):
            raise
        if not (pull or under_way or _wanted(name)):
            hint = f"`--pull` and `mlx-gui pull {name}` bring it from the hub. {missing.hint}"
            raise ModelNotFound(missing.message, hint=hint, details=missing.details) from missing
    found = client.install(name)
    if not isinstance(found, ModelObject):
        found = client.model(follow(client, found).model_id)
    return found


def _wanted(name: str) -> bool:
    """Whether somebody at the terminal wants the model to be downloaded."""
    typed = sys.stdin is not None and sys.stdin.isatty()
    return typed and typer.confirm(f"{name} is not installed. Download it from the hub?", err=True)
