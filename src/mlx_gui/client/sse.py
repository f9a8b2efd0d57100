"""Server-sent events as they come over the wire."""

from collections.abc import Iterable, Iterator


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
