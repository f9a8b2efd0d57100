"""Frames survive any cut, and nothing that a broken child sends is more than a ProtocolError."""

import contextlib
import socket
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.core.blob import Blob
from mlx_gui.core.generation import (
    Delta,
    DetokenizeRequest,
    GenerateRequest,
    ImagePart,
    Message,
    Sampling,
    TextPart,
    TokenizeRequest,
    Usage,
    WorkerRequest,
)
from mlx_gui.core.model import LoadSpec, TextOptions
from mlx_gui.ipc.channel import (
    MAX_FRAME_BYTES,
    BlockingChannel,
    FrameReader,
    FrameWriter,
    ProtocolError,
)
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    Cancel,
    FromChild,
    Output,
    Part,
    RequestEvents,
    StartRequest,
    StartWorker,
    ToChild,
)
from mlx_gui.kinds.embedding import EmbeddingOptions, EmbedRequest
from mlx_gui.kinds.registry import KINDS
from mlx_gui.kinds.reranker import RerankerOptions, RerankRequest
from mlx_gui.kinds.speech import SpeakRequest, SpeechOptions
from mlx_gui.kinds.transcription import TranscribeRequest, TranscriptionOptions
from mlx_gui.kinds.vision_facts import VisionOptions


def generate(text: str, request_id: str = "r") -> StartRequest:
    return StartRequest(request_id, GenerateRequest((Message("user", (TextPart(text),)),)))


@given(
    texts=st.lists(st.text(max_size=200), max_size=5),
    cuts=st.lists(st.integers(1, 64), min_size=1, max_size=40),
)
def test_messages_survive_any_cut_of_the_bytes(texts: list[str], cuts: list[int]) -> None:
    writer, reader = FrameWriter(), FrameReader[ToChild](ToChild)
    sent = [generate(text) for text in texts]
    data = b"".join(frame for message in sent for frame in writer.frames(message))
    received: list[ToChild] = []
    position, turn = 0, 0
    while position < len(data):
        size = cuts[turn % len(cuts)]
        received.extend(reader.feed(data[position : position + size]))
        position, turn = position + size, turn + 1
    assert received == sent


def test_a_large_message_travels_in_parts_and_others_pass_between_them() -> None:
    writer, reader = FrameWriter(), FrameReader[ToChild](ToChild)
    large = generate("x" * (3 * MAX_FRAME_BYTES))
    frames = list(writer.frames(large))
    assert len(frames) == 4
    assert all(len(frame) <= MAX_FRAME_BYTES + 4 for frame in frames)
    small = Cancel("other")
    between = [*frames[:2], *writer.frames(small), *frames[2:]]
    received = [message for frame in between for message in reader.feed(frame)]
    assert received == [small, large]


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_a_protocol_error(data: bytes) -> None:
    reader = FrameReader[FromChild](FromChild)
    with contextlib.suppress(ProtocolError):
        list(reader.feed(data))


def test_a_request_arrives_with_bytes_and_numbers_for_keys_as_it_was_sent() -> None:
    request = GenerateRequest(
        (Message("user", (TextPart("What is this?"), ImagePart(b"\x89PNG"))),),
        Sampling(logit_bias={7: -1.5}),
    )
    sent = [
        StartRequest("r", each)
        for each in (
            request,
            TokenizeRequest(request),
            DetokenizeRequest((1, 2)),
            EmbedRequest(("one", (1, 2)), dimensions=8),
            RerankRequest("one", ("two", "three"), truncate=True),
            TranscribeRequest(Blob("/cache/uploads/one/0", 300_000), "a.wav", words=True),
            TranscribeRequest(b"RIFF", language="de"),
            SpeakRequest("one", voice="anna", format="mp3", speed=1.5, seed=7),
        )
    ]
    assert {type(each.request) for each in sent} == {
        request for kind in KINDS for request in kind.requests
    }
    reader = FrameReader[ToChild](ToChild)
    frames = [frame for each in sent for frame in FrameWriter().frames(each)]
    assert [each for frame in frames for each in reader.feed(frame)] == sent


def test_the_options_of_a_load_arrive_as_those_of_their_kind() -> None:
    every = (
        TextOptions(64, 2, kv_bits=8),
        EmbeddingOptions(8, 64, 512),
        RerankerOptions(8, 512),
        TranscriptionOptions(8),
        SpeechOptions(4),
        VisionOptions(64, 2, picture_pixels=100),
    )
    assert {type(each) for each in every} == {kind.options for kind in KINDS}
    for options in every:
        spec = LoadSpec("one", "/one", "some", "engine", "stored", options)
        sent = StartWorker(PROTOCOL_VERSION, spec, "auto", "/cache")
        (frame,) = FrameWriter().frames(sent)
        assert list(FrameReader[ToChild](ToChild).feed(frame)) == [sent]


def test_a_request_that_no_kind_knows_is_a_protocol_error() -> None:
    class Unknown(WorkerRequest, msgspec.Struct, frozen=True, tag="unknown"):
        pass

    (frame,) = FrameWriter().frames(StartRequest("r", Unknown()))
    with pytest.raises(ProtocolError, match="unknown"):
        list(FrameReader[ToChild](ToChild).feed(frame))


def test_parts_out_of_order_are_refused() -> None:
    reader = FrameReader[ToChild](ToChild)
    body = msgspec.msgpack.encode(Part(transfer=1, index=1, last=True, data=b""))
    with pytest.raises(ProtocolError, match="part 1"):
        list(reader.feed(len(body).to_bytes(4, "big") + body))


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    reader = FrameReader[ToChild](ToChild)
    with pytest.raises(ProtocolError, match="limit"):
        list(reader.feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big")))


def test_the_blocking_end_sends_from_many_threads_and_sees_the_end_of_file() -> None:
    ours, theirs = socket.socketpair()
    child = BlockingChannel(theirs)
    usage = Usage(1, 2)
    messages = [Output((RequestEvents(str(i), (Delta(0, "x" * i), usage)),)) for i in range(50)]
    threads = [threading.Thread(target=child.send, args=(message,)) for message in messages]
    for thread in threads:
        thread.start()
    reader = FrameReader[FromChild](FromChild)
    received: list[FromChild] = []
    while len(received) < len(messages):
        received.extend(reader.feed(ours.recv(100)))
    for thread in threads:
        thread.join()
    assert {m.requests[0].request_id for m in received if isinstance(m, Output)} == {
        str(i) for i in range(50)
    }
    ours.close()
    assert child.receive() is None
    theirs.close()
