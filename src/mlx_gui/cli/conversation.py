"""The prompt of `mlx-gui run`: questions of one line or of several, and commands."""

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import typer

from mlx_gui.cli.answer_format import read_format
from mlx_gui.cli.chat import Chat, printable, write
from mlx_gui.cli.output import console, report_error
from mlx_gui.cli.shown_pictures import Unshowable, data_url, dragged
from mlx_gui.core.errors import MlxGuiError

FAREWELL = "/bye"
QUOTES = '"""'
_SWITCHES = {"on": True, "off": False}


class BadCommand(Exception):
    """A command that cannot be done; its text says why."""


def converse(chat: Chat) -> None:
    """Answers what is typed until that ends."""
    with contextlib.suppress(ImportError):  # not every build of Python has it
        import readline  # noqa: F401  # pyright: ignore[reportUnusedImport] - input() edits with it

    hints = console(stderr=True)
    hints.print(f"{chat.model}: Ctrl-C stops an answer, {FAREWELL} leaves, /help.", style="dim")
    leaving = False
    while True:
        try:
            question = _read_question()
        except EOFError:
            write("\n")
            return
        except KeyboardInterrupt:
            write("\n")
            if leaving:
                return
            leaving = True
            hints.print(f"Ctrl-C again, Ctrl-D or {FAREWELL} leaves.", style="dim")
            continue
        leaving = False
        if question == FAREWELL:
            return
        if question:
            answer_line(chat, question)


def obey(chat: Chat, line: str) -> str:
    """Does the command in `line` and says so. Raises BadCommand."""
    name, _, rest = line.partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        raise BadCommand(f"{name} is not a command. /help lists them.")
    return command(chat, rest.strip())


def is_command(line: str) -> bool:
    """Whether `line` begins with a word like `/set`; a path like `/etc/hosts` is none."""
    first = line.partition(" ")[0]
    return first.startswith("/") and first[1:].isalpha()


def _read_question() -> str:
    """One line, or all lines between two times three quotes."""
    line = input(">>> ").strip()
    if not line.startswith(QUOTES):
        return line
    lines = [line.removeprefix(QUOTES)]
    while not lines[-1].endswith(QUOTES):
        lines.append(input("... "))
    return "\n".join(lines).removesuffix(QUOTES).strip()


def answer_line(chat: Chat, question: str) -> None:
    """Do what a line says: a command, or a question, perhaps with pictures dragged into it."""
    try:
        if is_command(question):
            console().print(obey(chat, question))
        else:
            _ask(chat, question)
    except (BadCommand, Unshowable) as refusal:
        report_error(str(refusal))
    except MlxGuiError as error:
        report_error(error.message, error.hint)


def _ask(chat: Chat, line: str) -> None:
    """Ask what is typed, about the pictures whose paths are in it."""
    question, paths = ("", ()) if chat.raw else dragged(line)
    if not paths:
        chat.ask(line)
        return
    if not chat.sees:
        raise BadCommand(f"{chat.model} reads text only and sees no pictures.")
    pictures = [data_url(path) for path in paths]
    names = ", ".join(printable(path.name) for path in paths)
    console(stderr=True).print(f"Shown: {names}", style="dim", markup=False)
    chat.ask(question, pictures)


def _set(chat: Chat, arguments: str) -> str:
    name, _, value = arguments.partition(" ")
    value = value.strip()
    if name not in _SETTABLE:
        raise BadCommand(f"/set takes {', '.join(_SETTABLE)}; without a value it resets one.")
    try:
        _SETTABLE[name](chat, value)
    except (msgspec.ValidationError, KeyError, ValueError):
        raise BadCommand(f"{printable(value)} is no value for {name}.") from None
    except typer.BadParameter as refusal:
        raise BadCommand(refusal.message) from None
    return f"{name} is {printable(value)}." if value else f"{name} is reset."


def _option(field: str) -> Callable[[Chat, str], None]:
    """Sets an option of the answer, typed as the API takes it."""

    def change(chat: Chat, value: str) -> None:
        changed: Any = None
        if value:
            read = msgspec.convert({field: value}, type(chat.options), strict=False)
            changed = getattr(read, field)
        chat.options = msgspec.structs.replace(chat.options, **{field: changed})

    return change


def _set_stop(chat: Chat, value: str) -> None:
    chat.options = msgspec.structs.replace(chat.options, stop=(value,) if value else ())


def _set_think(chat: Chat, value: str) -> None:
    wanted = _SWITCHES[value] if value else None
    chat.options = msgspec.structs.replace(chat.options, enable_thinking=wanted)


def _set_format(chat: Chat, value: str) -> None:
    wanted = read_format(value) if value else None
    chat.options = msgspec.structs.replace(chat.options, response_format=wanted)


def _set_show_thinking(chat: Chat, value: str) -> None:
    chat.show_thinking = _SWITCHES[value] if value else None


def _set_verbose(chat: Chat, value: str) -> None:
    chat.verbose = _SWITCHES[value] if value else False


_SETTABLE: Mapping[str, Callable[[Chat, str], None]] = {
    "temperature": _option("temperature"),
    "top_p": _option("top_p"),
    "top_k": _option("top_k"),
    "min_p": _option("min_p"),
    "repeat_penalty": _option("repetition_penalty"),
    "max_tokens": _option("max_tokens"),
    "seed": _option("seed"),
    "stop": _set_stop,
    "think": _set_think,
    "effort": _option("reasoning_effort"),
    "format": _set_format,
    "show_thinking": _set_show_thinking,
    "verbose": _set_verbose,
}


def _show(chat: Chat, _: str) -> str:
    options = json.dumps(msgspec.to_builtins(chat.options), ensure_ascii=False)
    system = "none" if chat.system is None else chat.system
    lines = (
        f"Model    {chat.model}",
        f"Options  {'as the model has them' if options == '{}' else options}",
        f"System   {system}",
        f"Turns    {len(chat.turns)}",
    )
    return printable("\n".join(lines))


def _clear(chat: Chat, _: str) -> str:
    chat.turns = []
    return "The conversation begins anew."


def _system(chat: Chat, text: str) -> str:
    chat.system = text or None
    return "The system message is set." if text else "There is no system message any more."


def _save(chat: Chat, name: str) -> str:
    if not name:
        raise BadCommand("/save needs the name of a file.")
    saved = {"model": chat.model, "messages": msgspec.to_builtins(chat.messages())}
    try:
        with Path(name).expanduser().open("x", encoding="utf-8") as file:
            file.write(json.dumps(saved, indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise BadCommand(f"{name} is there already; choose another name.") from None
    except (OSError, RuntimeError) as error:
        raise BadCommand(f"{name} cannot be written: {error}.") from None
    return f"The conversation is in {name}."


def _help(_: Chat, __: str) -> str:
    return HELP


HELP = f"""\
/set NAME VALUE   Change an option of the next answers: {", ".join(_SETTABLE)}.
                  Without VALUE it is reset.
/show             Show model, options, system message and length of the conversation.
/system TEXT      Set what the model shall be; without TEXT, nothing.
/clear            Forget the conversation, but not the system message.
/save FILE        Write the conversation to a JSON file.
/bye              Leave, as Ctrl-D does.
PATH              A picture's path, dragged in, shows it to a model that sees.
{QUOTES}               Begin a question of several lines, which ends with {QUOTES} too."""

COMMANDS: Mapping[str, Callable[[Chat, str], str]] = {
    "/set": _set,
    "/show": _show,
    "/system": _system,
    "/clear": _clear,
    "/save": _save,
    "/help": _help,
}
