"""Gemma 3n: a tower that looks block by block, and files of two kinds of names."""

import shutil
from pathlib import Path

import pytest

from tests.colours.checkpoints import seeing
from tests.engines.remote import RemoteEngine, Reply, gather
from tests.engines.seeing import (
    asked,
    log_parts_of_looks,
    look,
    plain,
    steps,
    user,
    values_of_rows,
)

NAME = "gemma-3n-tiny"
TALKS = (look(user("Hello")), look(user("What is the capital of France?")))


@pytest.fixture(scope="module")
def by_mlx_vlm(engine: RemoteEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with the names and layouts that mlx-vlm writes."""
    folder = tmp_path_factory.mktemp("converted") / NAME
    shutil.copytree(seeing(NAME), folder)
    engine.child.call(_rename, folder)
    return folder


def _rename(folder: Path) -> None:
    import mlx.core as mx

    def named(name: str) -> str:
        name = name.removeprefix("model.")
        return name.replace("language_model.", "language_model.model.", 1)

    file = folder / "model.safetensors"
    weights = mx.load(str(file))
    assert isinstance(weights, dict)
    renamed = {
        named(name): value.transpose(0, 2, 3, 1) if value.ndim == 4 else value
        for name, value in weights.items()
    }
    mx.eval(renamed)
    mx.save_safetensors(str(file), renamed, metadata={"format": "mlx"})


def ids(reply: Reply) -> tuple[int, ...]:
    """Of the prompt and the answer, without its end."""
    told = reply.usage.ids
    return told[:-1] if reply.finish_reason == "stop" else told


def test_as_a_model_of_text_it_says_what_mlx_lm_does(
    engine: RemoteEngine, by_mlx_vlm: Path
) -> None:
    want = engine.child.call(plain, seeing(NAME), TALKS)
    for folder in (seeing(NAME), by_mlx_vlm):
        engine.load(folder)
        assert [ids(reply) for reply in engine.answers(TALKS)] == want


def test_it_sees_the_same_whatever_its_weights_are_called(
    engine: RemoteEngine, by_mlx_vlm: Path
) -> None:
    requests = (asked("red"), asked("blue"), *TALKS)
    engine.see(seeing(NAME))
    want = [ids(reply) for reply in engine.answers(requests)]
    engine.see(by_mlx_vlm)
    assert [ids(reply) for reply in engine.answers(requests)] == want
    assert want[0] != want[1]


def test_what_it_hears_with_is_not_in_memory(engine: RemoteEngine) -> None:
    engine.see(seeing(NAME))
    total_bytes = engine.progress[-1][2]
    stored_bytes = (seeing(NAME) / "model.safetensors").stat().st_size
    assert total_bytes < 2 * stored_bytes - 2 * 32 * 1024


def test_tokens_of_a_picture_run_along_its_rows(engine: RemoteEngine) -> None:
    engine.see(seeing(NAME))
    top, bottom = engine.child.call(values_of_rows)
    # Two tokens in each of two rows.
    assert min(top) > 1e-3
    assert max(bottom) < 1e-6


def test_a_look_is_a_step_for_each_block_and_others_are_served_between(
    engine: RemoteEngine,
) -> None:
    engine.see(seeing(NAME))
    engine.admit("writer", look(user("Hello"), ignore_eos=True, max_tokens=40))
    replies: dict[str, Reply] = {}
    while not replies.get("writer", Reply()).text:
        gather(replies, engine.step())
    engine.child.call(log_parts_of_looks)
    engine.admit("looks", asked("red"))
    engine.drain(replies)
    told = engine.child.call(steps)
    # Six blocks, and what makes tokens of them.
    assert told.count("look") == 7
    assert told[:13] == ["look", "step"] * 6 + ["look"]


def test_a_look_that_is_cancelled_in_the_middle_is_not_gone_on_with(
    engine: RemoteEngine,
) -> None:
    engine.see(seeing(NAME), prefix_cache_bytes=1 << 30)
    red, blue = (ids(engine.answer(asked(colour))) for colour in ("red", "blue"))
    engine.reclaim(1 << 30)
    replies: dict[str, Reply] = {}
    engine.admit("gone", asked("red"))
    for _ in range(3):
        assert engine.step() == []
    gather(replies, engine.cancel("gone"))
    assert replies["gone"].finish_reason == "cancelled"
    assert [ids(reply) for reply in engine.answers([asked("blue"), asked("red")])] == [
        blue,
        red,
    ]
