"""The tiny checkpoints themselves: what the tests that use them rely on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.zoo.cache import checkpoint, checkpoints
from tests.zoo.corpus import DIALOGUES
from tests.zoo.families import FAMILIES
from tests.zoo.reference import Answer, Question, greedy_answers

ROOT = Path(__file__).parents[2]
TRAINED = ("Qwen3-tiny-trained", "SmolLM2-tiny-trained")
CHILD_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def random_answers() -> dict[str, Answer]:
    hello = [{"role": "user", "content": "Hello"}]
    questions = [
        Question(checkpoint=str(folder), messages=hello, max_tokens=8)
        for folder in checkpoints(*FAMILIES)
    ]
    return dict(zip(FAMILIES, greedy_answers(questions), strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_generates_with_plain_mlx_lm(
    name: str, random_answers: dict[str, Answer]
) -> None:
    answer = random_answers[name]
    assert len(answer.token_ids) == 8 or answer.finish_reason == "stop"


@pytest.mark.parametrize("name", FAMILIES)
def test_random_weights_do_not_repeat_one_token_for_ever(
    name: str, random_answers: dict[str, Answer]
) -> None:
    assert len(set(random_answers[name].token_ids)) > 1


@pytest.mark.parametrize("name", FAMILIES)
def test_every_id_that_a_model_can_sample_has_a_token(name: str) -> None:
    folder = checkpoint(name)
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert sorted(tokenizer.get_vocab().values()) == list(range(config["vocab_size"]))


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_family_answers_every_dialogue_word_for_word(name: str) -> None:
    questions = [
        Question(checkpoint=str(checkpoint(name)), messages=list(dialogue.messages), max_tokens=200)
        for dialogue in DIALOGUES
    ]
    answers = [(answer.text, answer.finish_reason) for answer in greedy_answers(questions)]
    assert answers == [(dialogue.answer, "stop") for dialogue in DIALOGUES]


def test_two_builds_are_identical_byte_for_byte(tmp_path: Path) -> None:
    name = "Qwen3-tiny-4bit"
    subprocess.run(
        [sys.executable, "-m", "tests.zoo", name, "--out", tmp_path],
        cwd=ROOT,
        check=True,
        timeout=CHILD_TIMEOUT_S,
    )
    assert contents(tmp_path / name) == contents(checkpoint(name))


def test_two_processes_that_want_a_checkpoint_at_once_get_the_same_one(tmp_path: Path) -> None:
    ask = "from tests.zoo.cache import checkpoint; print(checkpoint('SmolLM2-tiny'))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ask],
            cwd=ROOT,
            env=os.environ | {"MLX_GUI_TEST_CACHE": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    first, second = (
        process.communicate(timeout=CHILD_TIMEOUT_S)[0].strip() for process in processes
    )
    assert first == second
    assert contents(Path(first)) == contents(checkpoint("SmolLM2-tiny"))


def test_a_checkpoint_that_nobody_can_build_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_GUI_TEST_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="Nonesuch-tiny"):
        checkpoint("Nonesuch-tiny")
    assert not [path for path in tmp_path.glob("*/*") if path.is_dir()]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
