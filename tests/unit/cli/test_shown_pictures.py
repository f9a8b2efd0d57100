"""Pictures in the terminal: files that are named, and paths that are dragged into a chat."""

from pathlib import Path

import pytest

from mlx_gui.cli.chat import Chat
from mlx_gui.cli.conversation import answer_line
from mlx_gui.cli.shown_pictures import Unshowable, data_url, dragged
from mlx_gui.client import ChatMessage
from tests.support.pictures import HALVES_HEIC, RED, plain
from tests.support.pictures import data_url as url_of
from tests.unit.cli.test_run import ScriptedClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "my photo.png", "it's (1).png"):
        (tmp_path / name).write_bytes(plain(RED))
    (tmp_path / "notes.txt").write_text("Not a picture.")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "photo.heic").write_bytes(HALVES_HEIC)
    (tmp_path / "layers.psd").write_bytes(b"8BPS\0\1")
    return tmp_path


def test_a_file_is_sent_as_what_it_is(folder: Path) -> None:
    (folder / "named.gif").write_bytes(plain(RED, format="JPEG"))

    assert data_url(folder / "a.png") == url_of(plain(RED))
    assert data_url(folder / "named.gif").startswith("data:image/jpeg;base64,/9j/")
    assert data_url(folder / "photo.heic") == url_of(HALVES_HEIC, "image/heif")


@pytest.mark.parametrize(
    ("name", "said"),
    [("scan.pdf", "a PDF document"), ("notes.txt", "text"), ("gone.png", "cannot be read")],
)
def test_what_cannot_be_shown_is_told(folder: Path, name: str, said: str) -> None:
    with pytest.raises(Unshowable, match=said):
        data_url(folder / name)


@pytest.mark.parametrize(
    ("typed", "text", "names"),
    [
        ("{f}/a.png", "", ["a.png"]),
        ("What is {f}/a.png ?", "What is ?", ["a.png"]),
        ("'{f}/my photo.png' What's this?", "What's this?", ["my photo.png"]),
        ('"{f}/my photo.png" What?', "What?", ["my photo.png"]),
        ("{f}/my\\ photo.png What?", "What?", ["my photo.png"]),
        ("{f}/it\\'s\\ \\(1\\).png What?", "What?", ["it's (1).png"]),
        ("file://{f}/my%20photo.png What?", "What?", ["my photo.png"]),
        ("What's in '{f}/my photo.png'?", "What's in ?", ["my photo.png"]),
        ("Compare {f}/a.png {f}/my\\ photo.png", "Compare", ["a.png", "my photo.png"]),
        ("{f}/photo.heic", "", ["photo.heic"]),
        ("Who made {f}/scan.pdf and /bin/sh?", None, []),
        ("What is {f}/notes.txt?", None, []),
        ("Is {f}/gone.png there?", None, []),
        ("a.png is a name", None, []),
        ("Don't say 'yes' or \"no\"  twice", None, []),
        ("/etc and / and ~/", None, []),
    ],
)
def test_paths_of_pictures_are_taken_out_of_what_is_typed(
    folder: Path, typed: str, text: str | None, names: list[str]
) -> None:
    line = typed.replace("{f}", str(folder))

    question, paths = dragged(line)

    assert question == (line if text is None else text)
    assert [path.name for path in paths] == names


def test_a_dragged_picture_is_asked_about_and_stays_in_the_conversation(folder: Path) -> None:
    client = ScriptedClient(["Red."], ["Yes."])
    chat = Chat(client, "org/sees", sees=True)

    answer_line(chat, f"{folder}/a.png Which colour?")
    answer_line(chat, "Sure?")

    shown = {"type": "image_url", "image_url": {"url": url_of(plain(RED))}}
    asked = ChatMessage("user", [shown, {"type": "text", "text": "Which colour?"}])
    said = ChatMessage("assistant", "Red.")
    assert client.asked == [[asked], [asked, said, ChatMessage("user", "Sure?")]]


@pytest.mark.parametrize(
    ("sees", "name", "said"),
    [(False, "a.png", "reads text only"), (True, "layers.psd", "Photoshop")],
)
def test_what_cannot_be_shown_asks_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], sees: bool, name: str, said: str
) -> None:
    client = ScriptedClient()

    answer_line(Chat(client, "org/one", sees=sees), f"{folder}/{name} What?")

    assert client.asked == []
    assert said in capsys.readouterr().err
