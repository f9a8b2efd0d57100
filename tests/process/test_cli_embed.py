"""`mlx-gui embed` against a real server with the fake engine."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nursery import ran
from tests.support.server import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


def embed(server: Server, *arguments: str, piped: bytes = b"") -> subprocess.CompletedProcess[str]:
    where = ("--data-dir", str(server.data_dir))
    return ran("embed", *arguments, *where, piped=piped)


def vectors(done: subprocess.CompletedProcess[str]) -> list[list[float]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_text_is_a_line_with_its_vector(server: Server, tmp_path: Path) -> None:
    one, two = vectors(embed(server, "fake/embedding", "red fox", "blue sea"))
    assert len(one) == len(two) == 64
    file = tmp_path / "texts.txt"
    file.write_text("red fox\n\nblue sea\n", encoding="utf-8")
    assert vectors(embed(server, "fake/embedding", "--file", str(file))) == [one, two]
    assert vectors(embed(server, "fake/embedding", piped=b"red fox\nblue sea\n")) == [one, two]
    assert vectors(embed(server, "fake/embedding", "--file", "-", piped=b"red fox")) == [one]
    assert len(vectors(embed(server, "fake/embedding", "red fox", "--dimensions", "8"))[0]) == 8
    (asked,) = vectors(embed(server, "fake/embedding", "red fox", "--prompt", "query"))
    assert [asked] == vectors(embed(server, "fake/embedding", "query: red fox"))


def test_many_texts_are_asked_for_in_parts(server: Server) -> None:
    texts = "\n".join(f"text {number}" for number in range(600)).encode()
    assert len(vectors(embed(server, "fake/embedding", piped=texts))) == 600


@pytest.mark.parametrize(
    ("arguments", "piped", "code", "said"),
    [
        (("fake/echo", "x"), b"", 1, "cannot make vectors of texts"),
        (("no/model", "x"), b"", 1, "no/model"),
        (("fake/embedding", "x", "--file", "/nowhere"), b"", 2, "cannot be read"),
        (("fake/embedding",), b"\xff\xfe", 2, "not UTF-8"),
        (("fake/embedding",), b" \n\n", 2, "Nothing was piped in and no TEXT is given."),
        (("fake/embedding", "--file", "/dev/null"), b"", 2, "/dev/null has no text in it."),
        (("fake/embedding", "x", "--dimensions", "65"), b"", 1, "64 dimensions"),
        (("fake/embedding", "word " * 600), b"", 1, "the model reads 512"),
        (("fake/embedding", "x", "--prompt", "no"), b"", 1, "no prompt 'no'"),
    ],
)
def test_what_is_wrong_is_one_line_on_stderr(
    server: Server, arguments: tuple[str, ...], piped: bytes, code: int, said: str
) -> None:
    done = embed(server, *arguments, piped=piped)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in " ".join(done.stderr.split())


def test_what_is_cut_is_not_refused(server: Server) -> None:
    assert len(vectors(embed(server, "fake/embedding", "word " * 600, "--truncate"))) == 1
