"""What a request brings beside its words, on its way to a worker."""

import msgspec
import pytest

from mlx_gui.core.blob import Blob, Content
from mlx_gui.core.generation import ImagePart, Message, TextPart


@pytest.mark.parametrize("content", [b"", b"\x89PNG", Blob("/cache/uploads/one/0", 300_000)])
def test_a_picture_travels_as_bytes_or_as_the_place_where_they_are(content: Content) -> None:
    message = Message("user", (TextPart("What is this?"), ImagePart(content)))

    sent = msgspec.msgpack.encode(message)

    assert msgspec.msgpack.decode(sent, type=Message) == message
    assert len(sent) < 200
