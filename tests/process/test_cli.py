"""The command line against a real server with the fake engine, in pipes and in a terminal."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.nursery import ran
from tests.support.server import first_start
from tests.support.waiting import wait_until

DEADLINE_S = 60
PROGRAM = [sys.executable, "-m", "mlx_gui"]
# Becomes the leader of a session that has the terminal on descriptor 0, then the program.
BECOME = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"
IN_TERMINAL = [sys.executable, "-c", BECOME, *PROGRAM]
ENDLESS = '{"fake": {"text": "tick", "repeat": 2000, "delay_ms": 10}}'

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    ours = {name: text for name, text in os.environ.items() if not name.startswith("MLX_GUI_")}
    data_dir = tmp_path_factory.mktemp("server") / "data"
    shutil.copytree(first_start(), data_dir)
    return ours | {"MLX_GUI_DATA_DIR": str(data_dir), "TERM": "dumb", "NO_COLOR": "1"}


@pytest.fixture(scope="module", autouse=True)
def server(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A server, ready; its log is read so that it never has to wait for anyone."""
    with subprocess.Popen(
        [*PROGRAM, "start", "--engine", "fake", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        too_late = threading.Timer(DEADLINE_S, process.kill)
        too_late.start()
        assert process.stdout is not None
        assert any('"event": "ready"' in line for line in process.stdout), "the server ended"
        too_late.cancel()
        reader = threading.Thread(target=process.stdout.read)
        reader.start()
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        reader.join(DEADLINE_S)


@contextmanager
def command(*arguments: str, environment: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
    """A command that runs until somebody ends it; it does not outlive the block."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def mlx_gui(environment: dict[str, str]) -> Run:
    """Runs a command to its end; nothing is typed or piped in unless `stdin` says so."""

    def run(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return ran(*arguments, environment=environment | variables, piped=stdin.encode())

    return run


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*IN_TERMINAL, *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self._unread = ""

    def type(self, text: str) -> None:
        # Python may miss a Ctrl-C that comes between the prompt and the wait for a key.
        program = psutil.Process(self.process.pid)
        wait_until(lambda: program.status() == psutil.STATUS_SLEEPING, what="a wait for keys")
        os.write(self._ours, text.encode())

    def read_until(self, wanted: str) -> str:
        """What was shown up to and with `wanted`."""
        deadline_s = time.monotonic() + DEADLINE_S
        while wanted not in self._unread:
            left_s = deadline_s - time.monotonic()
            ready, _, _ = select.select([self._ours], [], [], max(left_s, 0))
            assert ready, f"{wanted!r} did not come, but {self._unread!r}"
            self._unread += os.read(self._ours, 65536).decode(errors="replace")
        seen, _, self._unread = self._unread.partition(wanted)
        return seen + wanted

    def close(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE_S)
        os.close(self._ours)


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*arguments: str) -> Terminal:
        opened.append(Terminal(list(arguments), environment))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_a_model_is_loaded_listed_asked_and_unloaded(mlx_gui: Run) -> None:
    mlx_gui("unload", "echo")
    loaded = mlx_gui("load", "echo")
    assert loaded.stdout.startswith("fake/echo is ready after ")
    assert mlx_gui("load", "echo").stdout.startswith("fake/echo was already loaded")
    assert "fake/echo" in mlx_gui("ps").stdout
    states = {m["id"]: m["state"] for m in json.loads(mlx_gui("list", "--json").stdout)["data"]}
    assert states["fake/echo"] == "ready"
    assert mlx_gui("run", "echo", "Hello there").stdout == "You said: Hello there\n"
    assert mlx_gui("unload", "fake/echo").stdout.startswith("fake/echo is unloaded; ")
    assert mlx_gui("unload", "fake/echo").stdout == "fake/echo was not loaded.\n"
    assert mlx_gui("ps").stdout == "No model is in memory.\n"


def test_a_model_gets_another_name_and_loses_it(mlx_gui: Run) -> None:
    assert mlx_gui("alias").stdout.startswith("There are no aliases.")
    assert mlx_gui("alias", "gpt-*", "echo").stdout == "gpt-* stands for fake/echo.\n"
    assert mlx_gui("run", "gpt-4o", "Hello").stdout == "You said: Hello\n"
    assert "gpt-*" in mlx_gui("list").stdout
    assert mlx_gui("alias").stdout.splitlines()[1].split() == ["gpt-*", "fake/echo", "installed"]
    assert mlx_gui("alias", "gpt-*").stdout == "gpt-* stands for fake/echo.\n"
    assert json.loads(mlx_gui("alias", "gpt-*", "--json").stdout)["model"] == "fake/echo"
    assert mlx_gui("alias", "--remove").returncode == 2
    assert mlx_gui("alias", "--remove", "gpt-*").stdout == "gpt-* is no alias any more.\n"
    lost = mlx_gui("alias", "--remove", "gpt-*")
    assert (lost.returncode, lost.stdout) == (1, "")
    assert "gpt-*" in lost.stderr
    assert "Aliases" not in mlx_gui("list").stdout
    mlx_gui("unload", "echo")


def test_every_report_can_be_read_by_a_script(mlx_gui: Run, environment: dict[str, str]) -> None:
    mlx_gui("unload", "echo")
    status = json.loads(mlx_gui("status", "--json").stdout)
    assert status["system"]["server"]["data_dir"] == environment["MLX_GUI_DATA_DIR"]
    assert status["manager"]["loaded_models"] == []
    assert json.loads(mlx_gui("ps", "--json").stdout) == status["manager"]
    assert json.loads(mlx_gui("load", "echo", "--json").stdout)["model"]["state"] == "ready"
    assert json.loads(mlx_gui("unload", "echo", "--json").stdout)["was_loaded"]
    assert len(json.loads(mlx_gui("list", "--rescan", "--json").stdout)["data"]) > 1


def test_a_server_is_found_by_its_address_too(mlx_gui: Run, tmp_path: Path) -> None:
    address = json.loads(mlx_gui("status", "--json").stdout)["system"]["server"]["address"]
    elsewhere = ("--data-dir", str(tmp_path))
    assert mlx_gui("list", *elsewhere).returncode == 1
    assert mlx_gui("list", "--url", address, *elsewhere).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["load", "nobody/nothing"], "nobody/nothing"),
        (["run", "nobody/nothing", "Hello"], "nobody/nothing"),
        (["load", "broken"], "its weights are broken"),
        (["run", "echo", "Hello", "--temperature", "9"], "temperature"),
        (["run", "crash", "Hello"], "worker of fake/crash"),
        (["settings", "nobody/nothing"], "nobody/nothing"),
        (["settings", "echo", "temperature=hot"], "a number from 0 to 2"),
        (["settings", "echo", "temprature=1"], "Did you mean temperature?"),
        (["settings", "echo", "draft_model=nobody"], "'nobody' is not installed"),
        (["load", "echo+tune"], "The adapter 'tune' for fake/echo is not installed."),
        (["transcribe", "/nowhere.wav"], "Error: /nowhere.wav cannot be read: "),
        (["transcribe", __file__, "--model", "echo"], "test_cli.py: fake/echo cannot "),
        (["convert", "echo"], "fake/echo is built in, and has no weights"),
        (["info", ""], "The name of the model is empty."),
    ],
)
def test_a_refusal_is_one_line_on_stderr(mlx_gui: Run, arguments: list[str], said: str) -> None:
    refused = mlx_gui(*arguments)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert refused.stderr.startswith("Error: ")
    assert refused.stderr.count("\n") == 1


def test_what_is_piped_in_is_the_question(mlx_gui: Run) -> None:
    assert mlx_gui("run", "echo", stdin="From a pipe\n").stdout == "You said: From a pipe\n"
    both = mlx_gui("run", "echo", "Translate:", stdin="Guten Tag\n")
    assert both.stdout == "You said: Translate:\n\nGuten Tag\n"


def test_a_thought_stays_out_of_a_pipe_unless_it_is_asked_for(mlx_gui: Run) -> None:
    script = '{"fake": {"text": "Paris.", "reasoning": "let me see"}}'
    assert mlx_gui("run", "echo", script).stdout == "Paris.\n"
    shown = mlx_gui("run", "echo", script, "--show-thinking")
    assert shown.stdout == "Paris.\n"


def test_the_whole_answer_can_be_printed(mlx_gui: Run) -> None:
    answer = json.loads(mlx_gui("run", "echo", "One two", "--json").stdout)
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == "You said: One two"
    assert mlx_gui("run", "echo", "One two", "--json", "--stop", "two").stdout.count("two") == 0


def test_settings_of_a_model_are_shown_changed_and_reset(mlx_gui: Run) -> None:
    def rows(*arguments: str) -> dict[str, list[str]]:
        shown = mlx_gui("settings", "echo", *arguments)
        assert shown.returncode == 0, shown.stderr
        return {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines()[1:]}

    assert rows()["context_tokens"] == ["auto", "tokens", "server"]
    changed = rows("context_tokens=99", "truncate=on", 'template_arguments={"a": 1}')
    assert changed["context_tokens"] == ["99", "tokens", "model"]
    assert changed["truncate"] == ["on", "model"]
    assert changed["template_arguments"] == ['{"a":', "1}", "model"]
    assert rows("--reset", "truncate")["truncate"] == ["off", "server"]
    assert mlx_gui("run", "echo", "word " * 120).returncode == 1
    mlx_gui("load", "echo")
    pending = mlx_gui("settings", "echo", "--reset", "context_tokens")
    assert "its next request loads it anew" in pending.stderr
    assert mlx_gui("run", "echo", "word " * 120).returncode == 0
    shown = json.loads(mlx_gui("settings", "echo", "--json").stdout)
    assert shown["settings"]["context_tokens"]["source"] == "server"
    mlx_gui("settings", "echo", "--reset", "template_arguments")


def test_a_pipe_without_a_question_is_wrong_usage(mlx_gui: Run) -> None:
    assert mlx_gui("run", "echo", stdin=" \n").returncode == 2


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_bytes_that_are_no_text_are_refused(environment: dict[str, str], errors: str) -> None:
    answered = subprocess.run(
        [*PROGRAM, "run", "echo"],
        env=environment | {"PYTHONIOENCODING": f"utf-8:{errors}"},
        input=b"caf\xe9",
        capture_output=True,
        timeout=DEADLINE_S,
    )
    assert answered.returncode in (1, 2)
    assert b"not UTF-8" in answered.stderr
    assert b"unexpected" not in answered.stderr


def test_a_question_needs_no_standard_input(environment: dict[str, str]) -> None:
    asked = subprocess.run(
        ["sh", "-c", '"$0" -m mlx_gui run echo Hello <&-', sys.executable],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert (asked.returncode, asked.stdout) == (0, "You said: Hello\n")


def test_the_pace_is_told_apart_from_the_answer(mlx_gui: Run) -> None:
    answered = mlx_gui("run", "echo", "One two", "--verbose")
    assert answered.stdout == "You said: One two\n"
    assert "4 tokens after a prompt of " in answered.stderr


def test_a_reader_that_leaves_is_no_error(environment: dict[str, str]) -> None:
    with command("run", "echo", ENDLESS, environment=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"tick"
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 1
        assert process.stderr.read() == b""


def test_ctrl_c_ends_a_single_question_with_its_code(environment: dict[str, str]) -> None:
    with command("run", "echo", ENDLESS, environment=environment) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"tick"
        process.send_signal(signal.SIGINT)
        assert (b"tick" + process.stdout.read()).endswith(b"tick\n")
        assert process.wait(DEADLINE_S) == 130


def test_ctrl_c_stops_the_answer_and_the_chat_goes_on(
    terminal: Callable[..., Terminal], mlx_gui: Run
) -> None:
    chat = terminal("run", "echo")
    chat.read_until(">>> ")
    chat.type(ENDLESS + "\n")
    chat.read_until("tick tick")
    chat.type("\x03")
    chat.read_until(">>> ")
    chat.type("Still there?\n")
    assert "tick" not in chat.read_until("You said: Still there?")
    chat.read_until(">>> ")
    wait_until(
        lambda: json.loads(mlx_gui("ps", "--json").stdout)["active_requests"] == 0,
        what="the end of the answer that was stopped",
    )
    chat.type("/bye\n")
    assert chat.process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize("keys", ["\x04", "\x03|\x03", "/bye\n"])
def test_a_chat_is_left_by_key_or_by_word(terminal: Callable[..., Terminal], keys: str) -> None:
    chat = terminal("run", "echo")
    for key in keys.split("|"):
        chat.read_until(">>> ")
        chat.type(key)
    assert chat.process.wait(DEADLINE_S) == 0


def test_an_error_inside_a_chat_does_not_end_it(terminal: Callable[..., Terminal]) -> None:
    chat = terminal("run", "echo")
    chat.read_until(">>> ")
    chat.type('{"fake": {"fail_after": 1, "text": "Begun and broken"}}\n')
    chat.read_until("Error: ")
    chat.read_until(">>> ")
    chat.type("Again\n")
    chat.read_until("You said: Again")


def test_a_question_may_have_several_lines(terminal: Callable[..., Terminal]) -> None:
    chat = terminal("run", "echo")
    chat.read_until(">>> ")
    chat.type('"""One\n')
    chat.read_until("... ")
    chat.type('two"""\n')
    chat.read_until("You said: One\r\ntwo\r\n")
    chat.read_until(">>> ")


def test_commands_change_and_show_the_conversation(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    chat = terminal("run", "echo", "--system", "Be brief.")
    for line, answer in (
        ("/set stop four", "stop is four."),
        ("One two three four five", "You said: One two three \r\n"),
        ("/show", "Turns    2"),
        ("/sett", "Error: /sett is not a command. /help lists them."),
        (f"/save {tmp_path / 'talk'}", "The conversation is in "),
        ("/clear", "The conversation begins anew."),
        ("/help", "/set NAME VALUE"),
    ):
        chat.read_until(">>> ")
        chat.type(line + "\n")
        chat.read_until(answer)
    saved = json.loads((tmp_path / "talk").read_text(encoding="utf-8"))
    assert [turn["role"] for turn in saved["messages"]] == ["system", "user", "assistant"]


def test_the_shell_completes_commands_and_model_names(environment: dict[str, str]) -> None:
    def complete(words: str) -> list[str]:
        asked = {
            "_MLX_GUI_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        done = subprocess.run(
            PROGRAM, env=environment | asked, capture_output=True, text=True, timeout=DEADLINE_S
        )
        return done.stdout.split()

    assert complete("mlx-gui un") == ["unload"]
    assert complete("mlx-gui load fake/ec") == ["fake/echo"]
    assert complete("mlx-gui load nobody/") == []


def test_doctor_finds_this_machine_fit_for_work(mlx_gui: Run) -> None:
    examined = mlx_gui("doctor", "--json", MLX_GUI_PORT="0", MLX_GUI_OFFLINE="on")
    assert examined.returncode == 0, examined.stdout
    found = {each["topic"]: each for each in json.loads(examined.stdout)}
    assert found["Backend"]["level"] == "ok"


def test_a_plan_is_told_kept_to_and_explained(mlx_gui: Run) -> None:
    mlx_gui("unload", "--all")
    told = mlx_gui("plan", "echo", "--context", "2048").stdout
    assert told.startswith("fake/echo fits.\n")
    assert "mlx-gui load fake/echo --context 2048 --plan-token " in told
    planned = json.loads(mlx_gui("plan", "echo", "--json").stdout)
    assert (planned["model"], planned["fits"]) == ("fake/echo", "yes")
    loaded = mlx_gui("load", "echo", "--plan-token", planned["plan_token"])
    assert loaded.stdout.startswith("fake/echo is ready after ")
    why = mlx_gui("why", "echo").stdout
    assert "ready" in why
    assert "loaded" in why
    explained = json.loads(mlx_gui("why", "echo", "--json", "--limit", "1").stdout)
    assert explained["model"]["id"] == "fake/echo"
    assert len(explained["decisions"]) == 1
    foreign = mlx_gui("load", "slow", "--plan-token", planned["plan_token"])
    assert (foreign.returncode, foreign.stdout) == (1, "")
    assert "token" in foreign.stderr
    assert mlx_gui("unload", "--all").stdout.startswith("fake/echo is unloaded; ")
    assert mlx_gui("unload", "--all").stdout == "No model was in memory.\n"


def test_a_terminal_gets_the_memory_bar(terminal: Callable[..., Terminal]) -> None:
    screen = terminal("plan", "echo").read_until("other programs")
    assert "Now   " in screen
    assert "Then  " in screen


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "nobody/nothing"], "nobody/nothing"),
        (["plan", "echo", "--context", "15"], "between 16 and 4096"),
        (["load", "echo", "--context", "5000"], "between 16 and 4096"),
        (["why", "nobody/nothing"], "nobody/nothing"),
        (["unload", "echo", "--force", "--when-idle"], "exclude each other"),
    ],
)
def test_a_plan_that_cannot_be_made_is_one_line_on_stderr(
    mlx_gui: Run, arguments: list[str], said: str
) -> None:
    refused = mlx_gui(*arguments)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["echo", "--all"]])
def test_an_unload_names_a_model_or_all(mlx_gui: Run, arguments: list[str]) -> None:
    assert mlx_gui("unload", *arguments).returncode == 2


def test_the_log_is_shown_by_level_and_followed(mlx_gui: Run, environment: dict[str, str]) -> None:
    assert " ready " in mlx_gui("logs", "-n", "1000").stdout
    assert " ready " not in mlx_gui("logs", "--level", "warning").stdout
    lines = [json.loads(line) for line in mlx_gui("logs", "--json").stdout.splitlines()]
    assert [each["seq"] for each in lines] == sorted({each["seq"] for each in lines})
    arguments = ("logs", "--follow", "--model", "fake/second")
    with command(*arguments, environment=environment) as following:
        assert following.stdout is not None
        mlx_gui("load", "fake/second")
        assert "model_loaded" in _line_with("model_loaded", map(bytes.decode, following.stdout))
        following.send_signal(signal.SIGINT)
        assert following.wait(DEADLINE_S) == 130
    mlx_gui("unload", "fake/second")


def _line_with(text: str, lines: Iterable[str]) -> str:
    return next(line for line in lines if text in line)
