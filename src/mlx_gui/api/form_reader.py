"""Reads a form piece by piece: its texts into memory, its files to the disk as they arrive.

Bounded are the number of parts, their headers and their texts. What all of them have together is
bounded by the route's own limit.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from mlx_gui.core.blob import Content
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.store.uploads import Incoming, RequestFiles

MAX_PARTS = 64
MAX_PART_HEADERS = 8
MAX_PART_HEADER_BYTES = 4096
MAX_TEXT_BYTES = 64 * 1024
_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")
_SHOWN_CHARACTERS = 60
_HINT = "Leave it to a client for HTTP to make the form and its header `Content-Type`."


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form. `name` is the client's own word for it and no path of anything here."""

    name: str
    content_type: str
    content: Content


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a form, by the names of their fields."""

    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    files: dict[str, list[FormFile]] = field(default_factory=dict[str, list[FormFile]])

    def file(self, name: str) -> FormFile:
        """The one file of a field. Raises InvalidRequest where there is none, or more than one."""
        files = self.files.get(name, [])
        if len(files) == 1:
            return files[0]
        problem = f"has {len(files)} files, and one is taken" if files else "is required"
        raise InvalidRequest(f"`{name}` {problem}.", hint="Send one file there.", param=name)


@dataclass(slots=True)
class _Part:
    """The part that arrives: its headers, and then what is in it."""

    headers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""
    file_name: str = ""
    text: bytearray = field(default_factory=bytearray)
    file: Incoming | None = None

    def end_header(self) -> None:
        """Keep the header that has come. Raises InvalidRequest for one that is there already."""
        name = self.header_name.lower()
        if name in self.headers:
            raise unreadable(f"a part has the header `{_shown(name)}` twice")
        self.headers[name] = self.header_value
        self.header_name = self.header_value = b""

    def end_headers(self) -> None:
        """Read what they say of the part. Raises InvalidRequest."""
        kind, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        if kind != b"form-data" or not options.get(b"name"):
            raise unreadable("a part says no name in its header `Content-Disposition`")
        encoding = self.headers.get(b"content-transfer-encoding", b"").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise unreadable(f"a part is encoded in {_shown(encoding)}")
        self.name = _shown(options[b"name"])
        self.file_name = options.get(b"filename", b"").decode(errors="replace")

    def as_file(self, file: Incoming) -> FormFile:
        """The part whose content is `file`."""
        declared = self.headers.get(b"content-type", b"").decode("latin-1")
        return FormFile(self.file_name, declared, file.complete())

    def as_text(self) -> str:
        """Raises InvalidRequest for what is no UTF-8."""
        try:
            return self.text.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"`{self.name}` is no text: byte {error.start} is not UTF-8.",
                hint="Send texts as UTF-8.",
                param=self.name,
            ) from None


class FormReader:
    """Reads one form. All but the constructor is for the thread of the uploads.

    A part of one of the `file_fields` is a file, whatever else it says; others are texts. Raises
    InvalidRequest, StoreError and DiskFull.
    """

    def __init__(
        self, boundary: bytes, files: RequestFiles, *, file_fields: Collection[str]
    ) -> None:
        self._form = Form()
        self._files = files
        self._file_fields = file_fields
        self._parts = 0
        self._part = _Part()
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._take_header_name,
                    "on_header_value": self._take_header_value,
                    "on_header_end": lambda: self._part.end_header(),
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_count=MAX_PART_HEADERS,
                max_header_size=MAX_PART_HEADER_BYTES,
            )
        except FormParserError as error:
            raise unreadable(str(error)) from None

    def feed(self, data: bytes) -> None:
        """Take the next piece of the form."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise unreadable(str(error)) from None

    def complete(self, data: bytes) -> Form:
        """The form, of which `data` is the last piece."""
        self.feed(data)
        if not self._ended:
            raise unreadable("it breaks off before its last boundary")
        return self._form

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise unreadable(f"it has more than {MAX_PARTS} parts")
        self._part = _Part()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_headers(self) -> None:
        part = self._part
        part.end_headers()
        if part.name in self._file_fields:
            part.file = Incoming(self._files)
        elif part.file_name:
            taken = " or ".join(f"`{each}`" for each in self._file_fields)
            raise InvalidRequest(
                f"`{part.name}` is no file here.",
                hint=f"Files are taken as {taken}.",
                param=part.name,
            )

    def _take(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.file is not None:
            part.file.write(data[start:end])
            return
        part.text += data[start:end]
        if len(part.text) > MAX_TEXT_BYTES:
            raise InvalidRequest(
                f"`{part.name}` has more than {MAX_TEXT_BYTES} bytes.",
                hint="Send a shorter text.",
                param=part.name,
            )

    def _end_part(self) -> None:
        part = self._part
        if part.file is not None:
            self._form.files.setdefault(part.name, []).append(part.as_file(part.file))
        else:
            self._form.texts.setdefault(part.name, []).append(part.as_text())

    def _end(self) -> None:
        self._ended = True


def unreadable(reason: str) -> InvalidRequest:
    """The refusal of what is no form."""
    return InvalidRequest(f"The form of the body cannot be read: {reason}.", hint=_HINT)


def _shown(name: bytes) -> str:
    text = name.decode(errors="replace")
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
