"""Frames over a socket: 4 bytes of length, then msgpack; at most 1 MiB each.

A larger message travels in numbered `Part`s and is put together again before anybody sees it. The
control plane has the asynchronous end, a child the blocking one. End of file means that the other
side is gone.
"""

import asyncio
import itertools
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from mlx_gui.ipc.messages import FromChild, Part, ToChild
from mlx_gui.kinds.registry import read_carried

MAX_FRAME_BYTES = 1024 * 1024
MAX_MESSAGE_BYTES = 1024 * 1024 * 1024
_PART_BYTES = MAX_FRAME_BYTES - 64
_LENGTH = struct.Struct(">I")
_READ_BYTES = 256 * 1024

Message = TypeVar("Message")


class ProtocolError(Exception):
    """The other side sent what the protocol does not allow; the channel is of no use any more."""


class FrameWriter:
    """Turns messages into frames."""

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._transfers = itertools.count(1)

    def frames(self, message: ToChild | FromChild) -> Iterator[bytes]:
        """The frames of `message`, in order; more than one exactly when it is over 1 MiB."""
        body = self._encoder.encode(message)
        if len(body) <= MAX_FRAME_BYTES:
            yield _LENGTH.pack(len(body)) + body
            return
        transfer = next(self._transfers)
        starts = range(0, len(body), _PART_BYTES)
        for index, start in enumerate(starts):
            chunk = body[start : start + _PART_BYTES]
            part = Part(transfer, index, last=index == len(starts) - 1, data=chunk)
            encoded = self._encoder.encode(part)
            yield _LENGTH.pack(len(encoded)) + encoded


class FrameReader(Generic[Message]):
    """Turns received bytes, cut anywhere, back into messages of one type."""

    def __init__(self, message_type: type[Message]) -> None:
        self._decoder = msgspec.msgpack.Decoder(message_type, dec_hook=read_carried)
        self._buffer = bytearray()
        self._transfers: dict[int, list[bytes]] = {}
        self._transfer_bytes = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """Messages that are complete with `data`. Raises ProtocolError."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME_BYTES:
                raise ProtocolError(f"a frame of {length} bytes; the limit is {MAX_FRAME_BYTES}")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            message = self._decode(body)
            if isinstance(message, Part):
                whole = self._join(message)
                if whole is None:
                    continue
                message = self._decode(whole)
            yield message

    def _decode(self, body: bytes) -> Message:
        try:
            return self._decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"a message that does not decode: {error}") from error

    def _join(self, part: Part) -> bytes | None:
        pieces = self._transfers.setdefault(part.transfer, [])
        if part.index != len(pieces):
            raise ProtocolError(f"part {part.index} of a transfer, expected {len(pieces)}")
        self._transfer_bytes += len(part.data)
        if self._transfer_bytes > MAX_MESSAGE_BYTES:
            raise ProtocolError(f"parts of more than {MAX_MESSAGE_BYTES} bytes are under way")
        pieces.append(part.data)
        if not part.last:
            return None
        del self._transfers[part.transfer]
        whole = b"".join(pieces)
        self._transfer_bytes -= len(whole)
        return whole


class BlockingChannel:
    """A child's end. One thread receives; any thread may send."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._writer = FrameWriter()
        self._reader = FrameReader[ToChild](ToChild)  # pyright: ignore[reportArgumentType]
        self._received: list[ToChild] = []
        self._sending = threading.Lock()

    def send(self, message: FromChild) -> None:
        """Hand `message` to the control plane; waits while its buffer is full.

        Raises OSError when the control plane is gone.
        """
        for frame in self._writer.frames(message):
            with self._sending:
                self._socket.sendall(frame)

    def messages(self) -> Iterator[ToChild]:
        """Messages as they come, until the control plane is gone or cannot be understood."""
        while (message := self.receive()) is not None:
            yield message

    def receive(self) -> ToChild | None:
        """The next message; None once there will be no more."""
        while not self._received:
            try:
                data = self._socket.recv(_READ_BYTES)
                self._received = list(self._reader.feed(data))
            except (ConnectionError, ProtocolError) as problem:
                print(f"the channel is lost: {problem}", file=sys.stderr)  # noqa: T201
                return None
            if not data:
                return None
        return self._received.pop(0)


class AsyncChannel:
    """The control plane's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._stream_reader = reader
        self._stream_writer = writer
        self._writer = FrameWriter()
        self._reader = FrameReader[FromChild](FromChild)  # pyright: ignore[reportArgumentType]

    @classmethod
    async def open(cls, sock: socket.socket) -> "AsyncChannel":
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        return cls(reader, writer)

    def send(self, message: ToChild) -> None:
        """Queue `message`; never waits, and is silent when the child is gone.

        A child reads all the time, so what is queued here is bounded by the requests it was given.
        """
        if not self._stream_writer.is_closing():
            for frame in self._writer.frames(message):
                self._stream_writer.write(frame)

    async def receive(self) -> list[FromChild]:
        """The next messages, at least one; empty once the child is gone. Raises ProtocolError."""
        while True:
            try:
                data = await self._stream_reader.read(_READ_BYTES)
            except ConnectionError:
                return []
            if not data:
                return []
            if messages := list(self._reader.feed(data)):
                return messages

    def close(self) -> None:
        self._stream_writer.close()
