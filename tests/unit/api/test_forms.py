"""Forms with files over a real connection: what is taken or refused, and that nothing stays."""

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from mlx_gui.api.auth import requires
from mlx_gui.api.form_reader import (
    MAX_PART_HEADER_BYTES,
    MAX_PART_HEADERS,
    MAX_PARTS,
    MAX_TEXT_BYTES,
    Form,
    FormFile,
)
from mlx_gui.api.forms import FormRoute, form_of, texts_of
from mlx_gui.api.intakes import Intakes
from mlx_gui.api.principal import Principal
from mlx_gui.core.blob import INLINE_BYTES, Blob, open_content
from mlx_gui.core.errors import Conflict
from tests.support.waiting import wait_until
from tests.unit.api.parts import DEADLINE_S, application, config, services, serving

SMALL, LARGE = b"ID3" + bytes(range(256)), bytes(range(256)) * 4096
EDGE = b"\r\n--edge"


class Texts(BaseModel):
    """The texts of the form that the tests send."""

    model: str
    temperature: float = 0.0
    stream: bool = False
    parts: list[str] = Field(default=[], alias="parts[]")


@dataclass
class Seen:
    """What the routes below were given."""

    forms: list[Form] = field(default_factory=list[Form])
    go_on: threading.Event = field(default_factory=threading.Event)


def told(file: FormFile) -> dict[str, Any]:
    with open_content(file.content) as opened:
        content = opened.read()
    return {
        "name": file.name,
        "type": file.content_type,
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "on_disk": isinstance(file.content, Blob),
    }


def routes(seen: Seen) -> APIRouter:
    router = APIRouter(route_class=FormRoute)

    @router.post("/v1/forms")
    @router.post("/v1/messages/forms")
    @router.post("/api/forms")
    async def take(
        _: Annotated[Principal, requires("inference")],
        form: Annotated[Form, form_of("file", "other")],
    ) -> dict[str, Any]:
        seen.forms.append(form)
        texts = texts_of(form, Texts)
        return {
            "texts": texts.model_dump(),
            "files": {name: [told(each) for each in files] for name, files in form.files.items()},
        }

    @router.post("/v1/forms/one")
    async def take_one(form: Annotated[Form, form_of("file")]) -> dict[str, Any]:
        return told(form.file("file"))

    @router.post("/v1/forms/refused")
    async def refuse(form: Annotated[Form, form_of("file")]) -> None:
        seen.forms.append(form)
        raise Conflict("This is not the time.")

    @router.post("/v1/forms/streamed")
    async def stream(form: Annotated[Form, form_of("file")]) -> StreamingResponse:
        seen.forms.append(form)

        async def chunks() -> AsyncGenerator[bytes]:
            yield b"begun\n"
            await asyncio.to_thread(seen.go_on.wait, DEADLINE_S)
            yield json.dumps(told(form.file("file"))).encode()

        return StreamingResponse(chunks())

    return router


@dataclass(frozen=True)
class Place:
    """A server that takes forms, and the folder in which it keeps their files."""

    address: str
    folder: Path
    seen: Seen

    def left(self) -> list[Path]:
        try:
            return list(self.folder.rglob("*"))
        except FileNotFoundError:  # gone while it was looked at; others may be left
            return [self.folder]

    def nothing_left(self) -> None:
        """Files go when their answer has gone out, which a client may see a moment before."""
        wait_until(lambda: not self.left(), what="the files of the request to be gone")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    settings = config(tmp_path, client_stall_s=5)
    app: FastAPI = application(services(settings))
    seen = Seen()
    app.include_router(routes(seen))
    with serving(app) as address:
        yield Place(address, tmp_path / "cache" / "uploads", seen)
        seen.go_on.set()


def post(place: Place, path: str = "/v1/forms", **form: Any) -> httpx.Response:
    return httpx.post(place.address + path, timeout=DEADLINE_S, **form)


def raw(place: Place, *parts: bytes, path: str = "/v1/forms", end: bytes = b"--") -> httpx.Response:
    """A form of these parts, headers and all, with the boundary `edge`."""
    body = b"".join(EDGE + b"\r\n" + part for part in parts) + EDGE + end
    return send(place, body[2:], path=path)


def send(
    place: Place,
    body: bytes,
    type_: str = "multipart/form-data; boundary=edge",
    path: str = "/v1/forms",
) -> httpx.Response:
    return post(place, path, content=body, headers={"content-type": type_})


def text(name: bytes, value: bytes, *headers: bytes) -> bytes:
    lines = [b'Content-Disposition: form-data; name="%s"' % name, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + value


MODEL = text(b"model", b"one")


@pytest.mark.parametrize("path", ["/v1/forms", "/v1/messages/forms", "/api/forms"])
@pytest.mark.parametrize(
    ("content", "on_disk"),
    [(b"", False), (SMALL, False), (b"x" * INLINE_BYTES, False), (LARGE, True)],
)
def test_texts_and_files_arrive_as_they_were_sent(
    place: Place, path: str, content: bytes, on_disk: bool
) -> None:
    answer = post(
        place,
        path,
        data={"model": "one", "temperature": "0.5", "stream": "true", "parts[]": ["a", "b"]},
        files={"file": ("ein Ton, „eins“.mp3", content, "audio/mpeg")},
    )

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "texts": {"model": "one", "temperature": 0.5, "stream": True, "parts": ["a", "b"]},
        "files": {
            "file": [
                {
                    "name": "ein Ton, „eins“.mp3",
                    "type": "audio/mpeg",
                    "size": len(content),
                    "digest": hashlib.sha256(content).hexdigest(),
                    "on_disk": on_disk,
                }
            ]
        },
    }
    place.nothing_left()


def test_a_form_without_a_length_is_taken_too(place: Place) -> None:
    body = EDGE[2:] + b"\r\n" + MODEL + EDGE + b"\r\n" + text(b"file", LARGE) + EDGE + b"--\r\n"
    pieces = (body[start : start + 1013] for start in range(0, len(body), 1013))

    answer = post(
        place,
        content=pieces,
        headers={"content-type": 'Multipart/Form-Data; charset=utf-8; boundary="edge"'},
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["files"]["file"][0]["size"] == len(LARGE)
    place.nothing_left()


def test_boundaries_that_are_none_are_content(place: Place) -> None:
    content = (EDGE + b"-x" + EDGE[:-1] + b"\r\r\n--\r\n" + EDGE + b"ed") * 5_000

    answer = raw(place, MODEL, text(b"file", content))

    assert answer.status_code == 200, answer.text
    assert answer.json()["files"]["file"][0]["digest"] == hashlib.sha256(content).hexdigest()


def test_several_files_are_told_apart_and_one_is_asked_for_by_name(place: Place) -> None:
    files = [("file", ("a", SMALL)), ("file", ("b", LARGE)), ("other", ("c", LARGE))]

    answer = post(place, data={"model": "one"}, files=files)
    assert [each["name"] for each in answer.json()["files"]["file"]] == ["a", "b"]
    assert [each["name"] for each in answer.json()["files"]["other"]] == ["c"]
    two = post(place, "/v1/forms/one", files=files[:2])
    assert (two.status_code, error_of(two)["param"]) == (400, "file")
    none = post(place, "/v1/forms/one", files={"x": (None, "text")})
    assert (none.status_code, error_of(none)["message"]) == (400, "`file` is required.")
    place.nothing_left()


def test_a_file_need_not_say_its_name_nor_be_a_path_of_anything(place: Place) -> None:
    unnamed = raw(place, text(b"file", SMALL), path="/v1/forms/one")
    assert (unnamed.status_code, unnamed.json()["name"]) == (200, "")

    name = b'Content-Disposition: form-data; name="file"; filename="../../../etc/passwd"'
    strange = raw(place, name + b"\r\n\r\n" + LARGE, path="/v1/forms/one")
    assert (strange.status_code, strange.json()["size"]) == (200, len(LARGE))
    place.nothing_left()


def test_the_file_is_there_until_a_stream_has_ended(place: Place) -> None:
    with httpx.stream(
        "POST", f"{place.address}/v1/forms/streamed", files={"file": LARGE}, timeout=DEADLINE_S
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "begun"
        (blob,) = [file.content for file in place.seen.forms[0].files["file"]]
        assert isinstance(blob, Blob)
        assert Path(blob.path) in place.left()
        place.seen.go_on.set()
        assert json.loads(next(lines))["size"] == len(LARGE)
    place.nothing_left()


def test_a_client_that_hangs_up_in_a_stream_leaves_nothing(place: Place) -> None:
    with httpx.stream(
        "POST", f"{place.address}/v1/forms/streamed", files={"file": LARGE}, timeout=DEADLINE_S
    ) as answer:
        # Held: with the iterator that nobody holds, httpx closes the connection.
        lines = answer.iter_lines()
        assert next(lines) == "begun"
        assert place.left()
    place.seen.go_on.set()
    place.nothing_left()


def test_a_client_that_hangs_up_in_its_form_leaves_nothing(place: Place) -> None:
    parts = urlsplit(place.address)
    head = (
        f"POST /v1/forms HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 10000000\r\n"
        "Content-Type: multipart/form-data; boundary=edge\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
        connection.sendall(head.encode() + EDGE[2:] + b"\r\n" + text(b"file", LARGE))
        wait_until(place.left, what="the file to be there")
    place.nothing_left()
    assert place.seen.forms == []


def test_a_request_that_is_refused_later_leaves_nothing(place: Place) -> None:
    answer = post(place, "/v1/forms/refused", files={"file": LARGE})

    assert answer.status_code == 409
    assert isinstance(place.seen.forms[0].file("file").content, Blob)
    place.nothing_left()


BAD = [
    pytest.param(b"", "breaks off", id="nothing"),
    pytest.param(b"{}", "cannot be read", id="JSON"),
    pytest.param(b"--other\r\n" + MODEL + b"\r\n--other--", "cannot be read", id="another edge"),
    pytest.param(b"--edge\r\n" + MODEL, "breaks off", id="no end"),
    pytest.param(b"--edge\r\n" + MODEL + EDGE, "breaks off", id="half an end"),
    pytest.param(b"--edge\r\n" + text(b"file", LARGE), "breaks off", id="half a file"),
    pytest.param(b"--edge\r\nContent-Disp", "breaks off", id="half a header"),
    pytest.param(b"--edge", "breaks off", id="half a boundary"),
    pytest.param(b"--edge\r\n: x\r\n\r\n" + EDGE + b"--", "header", id="a header without a name"),
    pytest.param(b"--edge\r\nA B: x\r\n\r\n" + EDGE + b"--", "header", id="a header of two words"),
    pytest.param(b"--edge\r\n\r\nx" + EDGE + b"--", "says no name", id="no headers"),
    pytest.param(
        b"--edge\r\n" + MODEL.replace(b'; name="model"', b"") + EDGE + b"--",
        "says no name",
        id="no name",
    ),
    pytest.param(
        b"--edge\r\n" + MODEL.replace(b"form-data", b"attachment") + EDGE + b"--",
        "says no name",
        id="no form data",
    ),
    pytest.param(
        b"--edge\r\n" + text(b"x", b"", b'content-disposition: form-data; name="y"') + EDGE + b"--",
        "twice",
        id="two names",
    ),
    pytest.param(
        b"--edge\r\n" + text(b"file", b"eA==", b"Content-Transfer-Encoding: base64") + EDGE + b"--",
        "encoded in base64",
        id="base64",
    ),
    pytest.param(
        b"--edge\r\n" + text(b"model", b"\xff\xfe") + EDGE + b"--", "is no text", id="no UTF-8"
    ),
    pytest.param(
        b"--edge\r\n" + MODEL.replace(b'"model"', b'"model"; filename="a"') + EDGE + b"--",
        "`model` is no file here",
        id="a file in the place of a text",
    ),
    pytest.param(
        (b"--edge\r\n" + MODEL + b"\r\n") * (MAX_PARTS + 1) + b"--edge--",
        f"more than {MAX_PARTS} parts",
        id="many parts",
    ),
    pytest.param(
        b"--edge\r\n"
        + text(b"model", b"one", *[b"x-%d: y" % number for number in range(MAX_PART_HEADERS)])
        + EDGE
        + b"--",
        "header count",
        id="many headers",
    ),
    pytest.param(
        b"--edge\r\n"
        + text(b"model", b"one", b"x-y: " + b"z" * MAX_PART_HEADER_BYTES)
        + EDGE
        + b"--",
        "header size",
        id="a long header",
    ),
    pytest.param(
        b"--edge\r\n" + text(b"model", b"x" * (MAX_TEXT_BYTES + 1)) + EDGE + b"--",
        f"`model` has more than {MAX_TEXT_BYTES} bytes",
        id="a long text",
    ),
    pytest.param(
        b"--edge\r\n" + MODEL + EDGE + b"\r\n" + MODEL + EDGE + b"--",
        "`model` is there 2 times",
        id="a text twice",
    ),
    pytest.param(b"--edge--", "`model` is required", id="an empty form"),
    pytest.param(
        b"--edge\r\n" + MODEL + EDGE + b"\r\n" + text(b"temperature", b"hot") + EDGE + b"--",
        "`temperature` should be a valid number",
        id="a text that is no number",
    ),
]


@pytest.mark.parametrize(("body", "because"), BAD)
@pytest.mark.parametrize("path", ["/v1/forms", "/v1/messages/forms", "/api/forms"])
def test_what_is_no_form_is_refused_in_its_familys_shape_and_leaves_nothing(
    place: Place, path: str, body: bytes, because: str
) -> None:
    answer = send(place, body, path=path)

    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert because in error_of(answer)["message"]
    place.nothing_left()


def test_what_a_text_says_is_no_header(place: Place) -> None:
    answer = raw(place, text(b"model", b'x"; filename="a'))

    assert answer.json()["texts"]["model"] == 'x"; filename="a'


@pytest.mark.parametrize(
    "type_",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "x" * 300,
        "multipart/form-data; boundary*=utf-8''edge",
        "multipart/form-data; charset=nonsense",
        "multipart/form-data; " + "é" * 10_000,
        "multipart/form-data" + ";" * 10_000,
    ],
)
def test_a_form_without_a_boundary_is_refused_unread(place: Place, type_: str) -> None:
    answer = httpx.post(
        f"{place.address}/v1/forms",
        content=b"--edge\r\n" + MODEL + EDGE + b"--",
        headers={"content-type": type_.encode("latin-1")},
    )

    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_request")
    assert "oundary" in error_of(answer)["message"]
    assert place.seen.forms == []


def test_what_follows_the_end_of_a_form_means_nothing(place: Place) -> None:
    answer = raw(place, MODEL, end=b"--\r\n" + b"Model: two\r\n" * 100_000)

    assert answer.status_code == 200, answer.text
    assert answer.json()["texts"]["model"] == "one"


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    parts = services(config(tmp_path))
    parts.uploads.left_bytes = 2**60
    app, seen = application(parts), Seen()
    app.include_router(routes(seen))
    with serving(app) as address:
        place = Place(address, tmp_path / "cache" / "uploads", seen)
        full = post(place, data={"model": "one"}, files={"file": LARGE})
        assert (full.status_code, error_of(full)["code"]) == (507, "disk_full")
        place.nothing_left()
        small = post(place, data={"model": "one"}, files={"file": SMALL})
        assert small.status_code == 200


def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    app, seen = application(services(config(tmp_path))), Seen()
    app.include_router(routes(seen))
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "uploads").write_text("no folder")
    with serving(app) as address:
        answer = post(Place(address, tmp_path, seen), files={"file": LARGE})

    assert (answer.status_code, error_of(answer)["code"]) == (503, "store_unavailable")


def test_a_form_route_takes_forms_up_to_a_limit_of_its_own(tmp_path: Path) -> None:
    intake = Intakes(routes(Seen()).routes).of("POST", "/v1/forms")

    assert intake.content_types == ("multipart/form-data",)
    assert intake.most_bytes(config(tmp_path, max_upload_bytes=5_000)) == 5_000


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """Code, message and `param` of an error, in the shape of the family of its path."""
    body = answer.json()
    if answer.url.path.startswith("/api/"):
        return {"message": body["error"], "code": body["code"]}
    if answer.url.path.startswith("/v1/messages"):
        assert body["type"] == "error"
    return body["error"]
