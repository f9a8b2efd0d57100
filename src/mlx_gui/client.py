"""A client of mlx-gui's own HTTP API, for the command line, the tray and the app.

Every method raises the server's error as the class of `core.errors` that it was there, and
`ServerUnreachable` when nobody answers.
"""

import json
import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, cast
from urllib.parse import quote

import httpx
import msgspec
from pydantic import BaseModel, ValidationError

from mlx_gui.core.errors import ErrorInfo, InvalidRequest, MlxGuiError, from_info
from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from mlx_gui.version import __version__
from mlx_gui.wire.errors import ErrorDetail, ErrorEnvelope
from mlx_gui.wire.model_settings import ModelSettingsBody
from mlx_gui.wire.models import LoadResult, ModelHealth, ModelList, ModelObject, UnloadResult
from mlx_gui.wire.status import (
    HealthStatus,
    HelloEvent,
    ManagerStatus,
    MemoryStatus,
    RemovedModel,
    SnapshotEvent,
    SystemStatus,
)

START_HINT = "Start it with `mlx-gui start`."
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
_PATIENT = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)

Body = TypeVar("Body", bound=BaseModel)
Event = HelloEvent | SnapshotEvent | ModelObject | RemovedModel | MemoryStatus | ManagerStatus

_EVENTS: Mapping[str, type[Event]] = {
    "hello": HelloEvent,
    "snapshot": SnapshotEvent,
    "model": ModelObject,
    "model_removed": RemovedModel,
    "memory": MemoryStatus,
    "manager": ManagerStatus,
}


class ServerUnreachable(Exception):
    """No server answers, or what answers is not mlx-gui. `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatUsage(msgspec.Struct, frozen=True):
    """The tokens of one answer."""

    prompt_tokens: int
    completion_tokens: int


class AnswerOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an answer is wanted, by the API's own names; None leaves it to the model."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    enable_thinking: bool | None = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None


AS_THE_MODEL = AnswerOptions()


class AnswerPiece(msgspec.Struct, frozen=True):
    """More text of an answer, or of the thought before it."""

    text: str
    thought: bool = False


class ChatStream:
    """One answer, piece by piece.

    `usage` and `finish_reason` are there once the iteration has ended. `close` at any moment
    cancels the answer on the server.
    """

    def __init__(self, response: httpx.Response, address: str) -> None:
        self.usage: ChatUsage | None = None
        self.finish_reason: str | None = None
        self._response = response
        self._address = address

    def __iter__(self) -> Iterator[AnswerPiece]:
        with _reaching(self._address):
            for _, data in parse_sse(self._response.iter_bytes()):
                if data == b"[DONE]":
                    return
                chunk = msgspec.json.decode(data, type=_Chunk)
                if chunk.error is not None:
                    raise _error(ErrorDetail.model_validate(chunk.error))
                self.usage = chunk.usage or self.usage
                for choice in chunk.choices:
                    self.finish_reason = choice.finish_reason or self.finish_reason
                    if choice.delta.reasoning_content:
                        yield AnswerPiece(choice.delta.reasoning_content, thought=True)
                    if text := choice.delta.content or choice.text:
                        yield AnswerPiece(text)
        raise ServerUnreachable("The server ended the connection before the answer was complete.")

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """One server. Calls block; use one client in one thread."""

    def __init__(
        self, address: str, *, token: str | None = None, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self.address = address.rstrip("/")
        headers = {"user-agent": f"mlx-gui/{__version__}"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        with _reaching(self.address):
            # A proxy from the environment would be asked for loopback addresses too.
            self._http = httpx.Client(
                base_url=self.address,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
                trust_env=False,
            )

    @classmethod
    def from_runtime(cls, data_dir: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Self:
        """A client of the server that runs on `data_dir`. Raises ServerUnreachable."""
        runtime = read_runtime(data_dir)
        if runtime is None:
            raise ServerUnreachable(f"No server runs on {data_dir}.", hint=START_HINT)
        return cls(runtime.address, token=runtime.token, timeout_s=timeout_s)

    def health(self) -> HealthStatus:
        return self._ask("GET", "/health", HealthStatus)

    def models(self) -> ModelList:
        return self._ask("GET", "/v1/models", ModelList)

    def model(self, name: str) -> ModelObject:
        return self._ask("GET", _model_path(name), ModelObject)

    def model_health(self, name: str) -> ModelHealth:
        return self._ask("GET", _model_path(name, "health"), ModelHealth)

    def rescan(self) -> ModelList:
        """The installed models after the folders have been searched anew."""
        return self._ask("POST", "/v1/models/rescan", ModelList)

    def load(self, name: str) -> LoadResult:
        """Answers when the model is ready; the server bounds the time."""
        return self._ask("POST", _model_path(name, "load"), LoadResult, patient=True)

    def unload(self, name: str, *, force: bool = False) -> UnloadResult:
        """Answers when the memory is free. Conflict while the model answers, unless `force`."""
        query = {"force": "true"} if force else {}
        path = _model_path(name, "unload")
        return self._ask("POST", path, UnloadResult, patient=True, query=query)

    def system(self) -> SystemStatus:
        return self._ask("GET", "/v1/system/status", SystemStatus)

    def manager(self) -> ManagerStatus:
        return self._ask("GET", "/v1/manager/status", ManagerStatus)

    def model_settings(self, name: str) -> ModelSettingsBody:
        return self._ask("GET", _model_path(name, "settings"), ModelSettingsBody)

    def change_model_settings(self, name: str, changes: Mapping[str, object]) -> ModelSettingsBody:
        """What holds after `changes`, of which None resets a setting."""
        _check_numbers(changes)
        body = _encoded({"settings": changes})
        return self._ask("PATCH", _model_path(name, "settings"), ModelSettingsBody, body=body)

    def chat(
        self, model: str, messages: Sequence[ChatMessage], options: AnswerOptions = AS_THE_MODEL
    ) -> ChatStream:
        """The answer to a conversation as it is written."""
        return self._stream("/v1/chat/completions", model, options, messages=messages)

    def complete(
        self, model: str, prompt: str, options: AnswerOptions = AS_THE_MODEL
    ) -> ChatStream:
        """What follows on `prompt`, which no chat template touches, as it is written."""
        return self._stream("/v1/completions", model, options, prompt=prompt)

    def whole_chat(
        self, model: str, messages: Sequence[ChatMessage], options: AnswerOptions = AS_THE_MODEL
    ) -> dict[str, Any]:
        """The whole answer as the API's own object."""
        return self._whole("/v1/chat/completions", model, options, messages=messages)

    def whole_completion(
        self, model: str, prompt: str, options: AnswerOptions = AS_THE_MODEL
    ) -> dict[str, Any]:
        """What follows on `prompt`, as the API's own object."""
        return self._whole("/v1/completions", model, options, prompt=prompt)

    @contextmanager
    def events(self) -> Generator[Iterator[Event]]:
        """What happens on the server, for as long as it is read; unknown kinds are skipped.

        Raises ServerUnreachable when the stream ends: a server that stops ends it.
        """
        response = self._open("GET", "/v1/events")
        try:
            yield self._read_events(response)
        finally:
            response.close()

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[Body],
        *,
        patient: bool = False,
        query: Mapping[str, str] = {},
        body: bytes | None = None,
    ) -> Body:
        timeout = _PATIENT if patient else httpx.USE_CLIENT_DEFAULT
        with _reaching(self.address):
            response = self._http.request(
                method, path, params=query, content=body, headers=_headers(body), timeout=timeout
            )
            _raise_for(response)
            return answer.model_validate_json(response.content)

    def _stream(self, path: str, model: str, options: AnswerOptions, **asked: Any) -> ChatStream:
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        response = self._open("POST", path, _question(model, options, asked | streamed))
        return ChatStream(response, self.address)

    def _whole(self, path: str, model: str, options: AnswerOptions, **asked: Any) -> dict[str, Any]:
        body = _question(model, options, asked)
        with _reaching(self.address):
            response = self._http.post(path, content=body, headers=_headers(body), timeout=_PATIENT)
            _raise_for(response)
            return msgspec.json.decode(response.content, type=dict[str, Any])

    def _open(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        request = self._http.build_request(
            method,
            path,
            content=body,
            headers=_headers(body),
            timeout=_PATIENT,
        )
        with _reaching(self.address):
            response = self._http.send(request, stream=True)
            if response.is_error:
                response.read()
            _raise_for(response)
        return response

    def _read_events(self, response: httpx.Response) -> Iterator[Event]:
        with _reaching(self.address):
            for name, data in parse_sse(response.iter_bytes()):
                if (event := _EVENTS.get(name)) is not None:
                    yield event.model_validate_json(data)
        raise ServerUnreachable("The server ended the connection.")


def read_runtime(data_dir: Path) -> Runtime | None:
    """What the server on `data_dir` left there; None when there is nothing that can be read.

    It may be left over from a server that was killed.
    """
    try:
        return msgspec.json.decode((data_dir / RUNTIME_FILE).read_bytes(), type=Runtime)
    except (OSError, msgspec.DecodeError):
        return None


def parse_sse(chunks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Each event's name and data. Lines end at newlines only: JSON may hold any other separator."""
    name, data, rest = "message", list[bytes](), b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            field, _, value = line.rstrip(b"\r").partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                name = value.decode()
            elif field == b"data":
                data.append(value)
            elif not field and not value:
                if data:
                    yield name, b"\n".join(data)
                name, data = "message", []


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    text: str = ""
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: tuple[_Choice, ...] = ()
    usage: ChatUsage | None = None
    error: dict[str, Any] | None = None


def _question(model: str, options: AnswerOptions, asked: Mapping[str, Any]) -> bytes:
    wanted = cast("dict[str, Any]", msgspec.to_builtins(options))
    _check_numbers(wanted)
    return _encoded({"model": model, **asked, **wanted})


def _check_numbers(wanted: Mapping[str, object]) -> None:
    for name, value in wanted.items():
        if isinstance(value, float) and not math.isfinite(value):
            # JSON has no such number, and null would mean the default.
            raise InvalidRequest(f"{name} is {value}, but must be a number.", param=name)


def _encoded(asked: Mapping[str, object]) -> bytes:
    """JSON for the server, which judges all numbers but those that JSON has not."""
    try:
        return json.dumps(msgspec.to_builtins(asked), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            "The text has bytes that are not UTF-8.", hint="Convert it to UTF-8 first."
        ) from None
    except ValueError:
        raise InvalidRequest("NaN and infinity are no numbers that can be sent.") from None


def _headers(body: bytes | None) -> dict[str, str]:
    return {} if body is None else {"content-type": "application/json"}


def _model_path(name: str, action: str = "") -> str:
    path = f"/v1/models/{quote(name, safe='/', errors='surrogateescape')}"
    return f"{path}/{action}" if action else path


def _raise_for(response: httpx.Response) -> None:
    if response.is_error:
        raise _error(ErrorEnvelope.model_validate_json(response.content).error)


def _error(answer: ErrorDetail) -> MlxGuiError:
    field = {} if answer.param is None else {"param": answer.param}
    return from_info(ErrorInfo(answer.code, answer.message, answer.hint, answer.details | field))


@contextmanager
def _reaching(address: str) -> Generator[None]:
    try:
        yield
    except (msgspec.DecodeError, ValidationError) as error:
        raise ServerUnreachable(
            f"What answers at {address} is not an mlx-gui server of this version.",
            hint="Check the address, or restart the server after an update.",
        ) from error
    except httpx.ReadTimeout as error:
        raise ServerUnreachable(
            f"The server at {address} took too long to answer.",
            hint="Look at its log, or restart it.",
        ) from error
    except (httpx.ReadError, httpx.RemoteProtocolError) as error:
        raise ServerUnreachable(
            f"The server at {address} ended the connection.", hint="Look at its log."
        ) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise ServerUnreachable(
            f"{address} is not an address of a server.",
            hint="Write it like http://127.0.0.1:8000.",
        ) from error
    except httpx.TransportError as error:
        raise ServerUnreachable(f"No server answers at {address}.", hint=START_HINT) from error
