"""Models that see: their tokens are those of plain mlx-vlm, and all else is as for text."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import structs
from PIL import Image

from mlx_gui.core.errors import (
    ContextTooLong,
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedMedia,
)
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Failed,
    GenerateRequest,
    Grammar,
    ImagePart,
    Message,
    Prefill,
    Reasoning,
    Sampling,
    TokenizeRequest,
    Tool,
    ToolChoice,
    Usage,
)
from tests.colours.checkpoints import seeing
from tests.colours.families import FAMILIES, SMALL_TOWERS
from tests.engines.remote import RemoteEngine, Reply, gather
from tests.engines.seeing import (
    ONE,
    TWO,
    asked,
    fail_looks,
    log_steps,
    look,
    picture,
    plain,
    put_off,
    said,
    steps,
    user,
)
from tests.support.pictures import encoded, endless_jpeg
from tests.support.pictures import plain as plain_file
from tests.support.soak import in_soak, mostly_in_soak

PLENTY = 1 << 30
QWEN = "Qwen2-VL-tiny"
GEMMA3N = "gemma-3n-tiny"
TELL_COLOURS = [name for name in FAMILIES if name not in SMALL_TOWERS]
MIXED = (
    look(user(picture("red"), ONE)),
    look(user(picture("blue", (230, 90)), ONE)),
    look(user("Hello")),
    look(user(picture("yellow"), picture("green", (70, 160)), TWO)),
    look(user("Look: ", picture("white", (50, 50)), " and say what you see.")),
    look(
        user(picture("black"), ONE),
        said("The picture is black."),
        user("And this? ", picture("green", (120, 44))),
    ),
)
"""Six requests: of one picture and of two, between texts and over several turns, and of none."""


def ids(reply: Reply) -> tuple[int, ...]:
    """Of the prompt and the answer, without its end."""
    told = reply.usage.ids
    return told[:-1] if reply.finish_reason == "stop" else told


@pytest.mark.parametrize("name", FAMILIES)
def test_tokens_are_those_of_the_plain_library(name: str, engine: RemoteEngine) -> None:
    folder = seeing(name)
    engine.see(folder, prefix_cache_bytes=PLENTY)
    want = engine.child.call(plain, folder, MIXED)
    together = engine.answers(MIXED)
    assert [ids(reply) for reply in together] == want
    # Now all is known: the prompts, and what the tower made of their pictures.
    warm = [engine.answer(request) for request in MIXED]
    assert [ids(reply) for reply in warm] == want
    assert [ids(reply) for reply in engine.answers(MIXED)] == want
    engine.reclaim(PLENTY)
    assert [ids(engine.answer(request)) for request in MIXED] == want
    assert engine.serial_because() is None


@pytest.mark.parametrize("name", mostly_in_soak(TELL_COLOURS, but=("gemma-3-tiny",)))
def test_colours_are_named(name: str, engine: RemoteEngine) -> None:
    engine.see(seeing(name))
    colours = ("red", "green", "blue", "yellow", "black", "white")
    replies = engine.answers([asked(colour, (90, 60)) for colour in colours])
    assert [reply.text for reply in replies] == [f"The picture is {each}." for each in colours]
    assert {reply.usage.images for reply in replies} == {1}


@pytest.mark.parametrize("name", mostly_in_soak(FAMILIES, but=(QWEN,)))
def test_who_joins_late_says_the_same(name: str, engine: RemoteEngine) -> None:
    engine.see(seeing(name))
    alone = [ids(engine.answer(request)) for request in MIXED]
    replies: dict[str, Reply] = {}
    for place, request in enumerate(MIXED):
        engine.admit(str(place), request)
        for _ in range(3):
            gather(replies, engine.step())
    engine.drain(replies)
    assert [ids(replies[str(place)]) for place in range(len(MIXED))] == alone


@pytest.mark.parametrize("name", mostly_in_soak(FAMILIES, but=("gemma-3-tiny",)))
def test_the_same_seed_says_the_same_whoever_else_is_served(
    name: str, engine: RemoteEngine
) -> None:
    engine.see(seeing(name))
    seeded = asked("red", sampling=Sampling(temperature=5, seed=7))
    alone = ids(engine.answer(seeded))
    hot = [asked("blue", sampling=Sampling(temperature=5, seed=each)) for each in range(4)]
    together = engine.answers([*hot, seeded, look(user("Hello"))])
    assert ids(together[4]) == alone
    assert len({ids(reply) for reply in together[:4]}) > 1


def test_two_pictures_are_told_in_their_order(engine: RemoteEngine) -> None:
    engine.see(seeing("gemma-3-tiny"))
    ways = [
        look(user(picture(one), picture(other), TWO))
        for one, other in (("red", "blue"), ("blue", "red"))
    ]
    assert [reply.text for reply in engine.answers(ways)] == ["red and blue", "blue and red"]


@pytest.mark.parametrize("name", mostly_in_soak(TELL_COLOURS, but=(QWEN, "gemma-3-tiny")))
def test_pictures_of_one_size_never_share_an_entry(name: str, engine: RemoteEngine) -> None:
    engine.see(seeing(name), prefix_cache_bytes=PLENTY)
    red = engine.answer(asked("red"))
    blue = engine.answer(asked("blue"))
    assert (red.text, blue.text) == ("The picture is red.", "The picture is blue.")
    assert red.usage.prompt_tokens == blue.usage.prompt_tokens
    before = engine.tokenize(TokenizeRequest(asked("red"))).ids
    assert blue.usage.cached_tokens < len(before) - 8
    trimmable = not blue.usage.cache_miss.startswith("not trimmable")
    assert not trimmable or blue.usage.cache_miss.startswith("another picture at token")
    again = engine.answer(asked("red"))
    assert again.text == red.text
    assert again.usage.cached_tokens > blue.usage.cached_tokens


@pytest.mark.parametrize("name", mostly_in_soak(FAMILIES, but=(QWEN, GEMMA3N)))
def test_a_picture_that_was_looked_at_is_not_looked_at_again(
    name: str, engine: RemoteEngine
) -> None:
    engine.see(seeing(name), prefix_cache_bytes=PLENTY)
    engine.child.call(log_steps)
    engine.answers([asked("red"), asked("red"), asked("blue")])
    assert _looks(engine) == 2
    other = engine.answer(look(user("Say. ", picture("red"), "What do you see?")))
    assert other.usage.cached_tokens < other.usage.prompt_tokens // 2
    assert _looks(engine) == 2
    engine.answer(asked("red"), tenant="somebody else")
    assert _looks(engine) == 3
    engine.reclaim(PLENTY)
    engine.answer(asked("red"))
    assert _looks(engine) == 4


def _looks(engine: RemoteEngine) -> int:
    return engine.child.call(steps).count("look")


def test_without_a_prefix_cache_every_request_looks_for_itself(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN), prefix_cache_bytes=0)
    engine.child.call(log_steps)
    replies = engine.answers([asked("red"), asked("red")])
    assert [reply.text for reply in replies] == ["The picture is red."] * 2
    assert _looks(engine) == 2


def test_a_writer_never_waits_for_more_than_one_look(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN))
    engine.admit("writer", look(user("Hello"), ignore_eos=True, max_tokens=80))
    replies: dict[str, Reply] = {}
    while not any(isinstance(each, Delta) for each in replies.get("writer", Reply()).events):
        gather(replies, engine.step())
    engine.child.call(log_steps)
    for colours in (("red", "green", "blue"), ("white", "black")):
        pictures = [picture(each) for each in colours]
        engine.admit(colours[0], look(user(*pictures, TWO)))
    engine.drain(replies)
    told = engine.child.call(steps)
    assert told.count("look") == 5
    # They take turns: no two looks come in a row, and each is one run of the tower.
    assert "look look" not in " ".join(told)
    assert told[:9:2] == ["look"] * 5


def test_a_tower_that_fails_fails_its_request_alone(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN))
    engine.child.call(fail_looks, 1)
    failed, other, text = engine.answers([asked("red"), asked("blue"), look(user("Hello"))])
    assert isinstance(failed.events[-1], Failed)
    assert "the tower fell" in failed.events[-1].error.message
    assert other.text == "The picture is blue."
    assert text.text.startswith("Hello!")
    assert engine.answer(asked("red")).text == "The picture is red."


@pytest.mark.parametrize("steps", [1, 4, *in_soak(0, 2)])
def test_a_request_is_cancelled_in_any_phase(steps: int, engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN), prefix_cache_bytes=PLENTY)
    replies: dict[str, Reply] = {}
    # Waiting to look, between two looks, read, and writing.
    engine.admit("gone", look(user(picture("red"), picture("blue"), TWO), max_tokens=50))
    engine.admit("stays", asked("green"))
    for _ in range(steps):
        gather(replies, engine.step())
    gather(replies, engine.cancel("gone"))
    engine.drain(replies)
    assert replies["gone"].finish_reason == "cancelled"
    assert isinstance(replies["gone"].events[-1], Usage)
    assert replies["stays"].text == "The picture is green."
    assert not engine.busy()
    assert engine.memory().kv_bytes == 0


def test_a_schema_holds_an_answer_about_a_picture(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN))
    schema = json.dumps({"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}},
                         "required": ["colour"], "additionalProperties": False})  # fmt: skip
    reply = engine.answer(asked("red", grammar=Grammar("json_schema", schema), max_tokens=64))
    assert json.loads(reply.text)["colour"] in ("red", "blue")


def test_a_call_is_forced_about_a_picture_after_a_thought_within_its_budget(
    engine: RemoteEngine,
) -> None:
    engine.see(seeing(QWEN))
    tool = Tool(
        "paint",
        parameters={
            "type": "object",
            "properties": {"colour": {"enum": ["red", "blue"]}},
            "required": ["colour"],
            "additionalProperties": False,
        },
    )
    request = asked("blue", tools=(tool,), tool_choice=ToolChoice("named", "paint"))
    request = structs.replace(request, reasoning=Reasoning(budget_tokens=8), max_tokens=200)
    reply = engine.answer(request)
    assert reply.finish_reason == "tool_calls"
    assert reply.usage.reasoning_tokens <= 12
    assert [each.name for each in reply.events if isinstance(each, CallStarted)] == ["paint"]
    arguments = [
        each.text
        for each in reply.events
        if isinstance(each, Delta) and each.channel == "tool_call"
    ]
    assert json.loads("".join(arguments))["colour"] in ("red", "blue")


def test_stop_strings_chances_and_several_answers_are_as_for_text(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN), prefix_cache_bytes=PLENTY)
    stopped = engine.answer(asked("red", stop=(" is",)))
    assert stopped.text == "The picture"
    (done,) = [each for each in stopped.events if isinstance(each, Done)]
    assert done.stop == " is"
    scored = engine.answer(asked("red", top_logprobs=2))
    chances = [
        each for event in scored.events if isinstance(event, Delta) for each in event.logprobs
    ]
    assert "".join(each.chosen.text for each in chances) == "The picture is red."
    assert all(each.chosen.logprob > -0.5 and len(each.top) == 2 for each in chances)
    twice = engine.answer(asked("blue", n=2))
    texts = ["", ""]
    for event in twice.events:
        if isinstance(event, Delta):
            texts[event.index] += event.text
    assert texts == ["The picture is blue."] * 2


# What is read as embeddings, and waits again, is read anew by the batch's own tests every time.
@pytest.mark.soak
def test_a_row_that_waits_again_sees_its_pictures_again(engine: RemoteEngine) -> None:
    settings = {"context": 600, "slots": 4, "prefix_cache_bytes": PLENTY}
    requests = [
        asked(each, (150, 150), max_tokens=400, ignore_eos=True) for each in ("red", "blue")
    ]
    engine.see(seeing(QWEN), kv_pool_tokens=4 * 600, **settings)
    want = [ids(reply) for reply in engine.answers(requests)]
    engine.see(seeing(QWEN), kv_pool_tokens=900, **settings)
    engine.child.call(_count_pauses)
    assert [ids(reply) for reply in engine.answers(requests)] == want
    assert engine.child.call(_take_pauses) == 1
    # Now their beginnings are cached, and no picture is looked at any more.
    assert [ids(reply) for reply in engine.answers(requests)] == want
    assert engine.child.call(_take_pauses) == 2


def _count_pauses() -> None:
    from tests.engines import remote

    decoder = remote._engines[0]._resident.decoder
    pause = decoder._pause
    decoder.pauses = 0

    def counted(key: int) -> Any:
        decoder.pauses += 1
        return pause(key)

    decoder._pause = counted


def _take_pauses() -> int:
    from tests.engines import remote

    return remote._engines[0]._resident.decoder.pauses


@pytest.mark.parametrize("name", mostly_in_soak(FAMILIES, but=(QWEN,)))
def test_one_after_the_other_tokens_are_the_same(name: str, engine: RemoteEngine) -> None:
    engine.see(seeing(name))
    together = [ids(reply) for reply in engine.answers(MIXED)]
    engine.child.call(_one_after_the_other)
    assert [ids(reply) for reply in engine.answers(MIXED)] == together


def _one_after_the_other() -> None:
    """Have the loaded model decoded as one whose caches cannot be put together."""
    from mlx_gui.engines.text.serial import SerialDecoder
    from tests.engines import remote

    resident = remote._engines[0]._resident
    resident.decoder = SerialDecoder(resident.loaded.network, prefill_tokens=16)


def test_pictures_are_tokens_of_the_prompt(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN))
    small, large = asked("red", (56, 56)), asked("red", (112, 112))
    told = [len(engine.tokenize(TokenizeRequest(each)).ids) for each in (small, large)]
    assert told[1] - told[0] == 16 - 4
    usages = [engine.answer(each).usage for each in (small, large)]
    assert [usage.prompt_tokens for usage in usages] == told
    assert [usage.image_tokens for usage in usages] == [4, 16]


def test_more_pictures_than_the_context_holds_are_refused_early(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN), context=64, kv_pool_tokens=64)
    with pytest.raises(ContextTooLong, match="The first 5 pictures alone have 80 tokens"):
        engine.prepare("many", look(user(*(picture("red", (112, 112)),) * 200, ONE)))
    with pytest.raises(ContextTooLong, match="The prompt has"):
        engine.prepare("three", look(user(*(picture("red", (112, 112)),) * 3, ONE)))


def test_the_oldest_turns_go_with_their_pictures(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN), context=100, kv_pool_tokens=100)
    turns = [
        message
        for each in ("red", "green", "white")
        for message in (user(picture(each, (112, 112)), ONE), said(f"The picture is {each}."))
    ]
    reply = engine.answer(look(*turns, user(picture("blue"), ONE), truncate=True))
    assert reply.text == "The picture is blue."
    assert 1 <= reply.usage.images < 4


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"%PDF-1.7", UnsupportedMedia),
        (plain_file((9, 9, 9))[:60], InvalidRequest),
        *(
            pytest.param(*each, marks=pytest.mark.soak)
            for each in (
                (b"", InvalidRequest),
                (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedMedia),
                (plain_file((9, 9, 9), (20_000, 2)), InvalidRequest),
            )
        ),
    ],
)
def test_what_is_no_picture_is_refused_before_mlx_sees_it(
    data: bytes, error: type[Exception], engine: RemoteEngine
) -> None:
    engine.see(seeing(QWEN))
    with pytest.raises(error):
        engine.prepare("bad", look(user(ImagePart(data), ONE)))
    assert not engine.busy()
    assert engine.answer(asked("red", (1, 1))).usage.images == 1


def test_a_picture_of_which_nothing_would_be_left_is_refused(engine: RemoteEngine) -> None:
    # The longest edge of this model is 112: a fiftieth.
    engine.see(seeing("Mistral-Small-3.1-tiny"))
    with pytest.raises(InvalidRequest, match=r"5600x28 pixels: .* nothing of it is left"):
        engine.answer(asked("red", (5600, 28)))
    assert engine.answer(asked("red", (560, 28))).text == "The picture is red."


def test_a_picture_where_the_template_has_no_place_for_it_is_refused(
    engine: RemoteEngine,
) -> None:
    engine.see(seeing(QWEN))
    with pytest.raises(InvalidRequest, match="there are 1, and it wrote 0"):
        engine.prepare("none", asked("red", template="{{ messages[0].role }} says nothing."))
    with pytest.raises(InvalidRequest, match="The chat template refuses these messages"):
        engine.prepare("text", asked("red", template="{{ messages[0].content + '.' }}"))


def test_a_picture_that_the_system_shows_is_the_users_where_the_template_refuses_it(
    engine: RemoteEngine,
) -> None:
    engine.see(seeing("Mistral-Small-3.1-tiny"))
    shown = look(Message("system", (picture("red"),)), user(ONE))
    moved = look(user(picture("red"), "\n\n", ONE))
    assert ids(engine.answer(shown)) == ids(engine.answer(moved))
    told = engine.prepare("moved", structs.replace(shown, messages=_standing(shown.messages))).told
    assert told.moved == ("messages[0].content[0]",)
    assert engine.prepare("user's", moved).told.moved == ()


def _standing(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same, in which pictures know where they stand."""
    return tuple(
        structs.replace(
            message,
            parts=tuple(
                structs.replace(part, where=f"messages[{index}].content[{place}]")
                if isinstance(part, ImagePart)
                else part
                for place, part in enumerate(message.parts)
            ),
        )
        for index, message in enumerate(messages)
    )


@pytest.mark.parametrize(
    ("name", "sign"), [(QWEN, "<|image_pad|> "), (GEMMA3N, "<image_soft_token> ")]
)
def test_what_users_spell_like_a_picture_is_text(
    name: str, sign: str, engine: RemoteEngine
) -> None:
    engine.see(seeing(name))
    spelt = look(user(picture("red"), sign, ONE))
    usual = look(user(picture("red"), " ", ONE))
    marker = engine.child.call(_marker)
    counts = [engine.tokenize(TokenizeRequest(each)).ids.count(marker) for each in (spelt, usual)]
    assert counts[0] == counts[1]
    assert engine.answer(look(user(sign))).usage


def _marker() -> int:
    from tests.engines import remote

    return remote._engines[0]._resident.loaded.eyes.marker


# The reader's own tests put a request off every time.
@pytest.mark.soak
def test_a_request_whose_picture_takes_long_is_prepared_when_that_is_read(
    engine: RemoteEngine,
) -> None:
    engine.see(seeing(QWEN))
    slow = look(user(picture("red"), ImagePart(endless_jpeg(20)), TWO))
    tokens, was_put_off = engine.child.call(put_off, slow)
    assert was_put_off
    assert tokens == engine.answer(slow).usage.prompt_tokens


def test_progress_counts_the_tokens_of_pictures(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN))
    reply = engine.answer(asked("red"))
    (prefill,) = [each for each in reply.events if isinstance(each, Prefill)]
    assert prefill.done == prefill.total == reply.usage.prompt_tokens
    assert reply.usage.prefill_ms > 0


def test_ids_alone_are_continued_as_text(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN))
    prompt = engine.tokenize(TokenizeRequest(look(user("Hello")))).ids
    request = GenerateRequest(prompt=prompt, sampling=Sampling(temperature=0), max_tokens=8)
    assert engine.answer(request).text.startswith("Hello!")
    # Of a picture nobody has shown only the ids are there.
    marked = GenerateRequest(prompt=(engine.child.call(_marker),) * 4, max_tokens=2)
    assert engine.answer(marked).usage.images == 0


def test_a_file_of_too_many_pixels_is_refused(engine: RemoteEngine) -> None:
    engine.see(seeing(QWEN))
    bomb = encoded(Image.new("1", (10_000, 10_000)))
    with pytest.raises(PayloadTooLarge, match="10000x10000"):
        engine.prepare("bomb", look(user(ImagePart(bomb), ONE)))
