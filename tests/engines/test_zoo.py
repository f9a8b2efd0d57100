"""The tiny checkpoints themselves: what the tests that use them rely on."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.support.soak import mostly_in_soak
from tests.zoo.cache import checkpoint, checkpoints
from tests.zoo.corpus import ADAPTED, DIALOGUES, Dialogue, any_tool_dialogues, tool_dialogues
from tests.zoo.exam import NotLearnt, until_learnt
from tests.zoo.families import FAMILIES
from tests.zoo.reference import Answer, Question, greedy_answers

ROOT = Path(__file__).parents[2]
TRAINED = ("Qwen3-tiny-trained", "SmolLM2-tiny-trained")
CALLING = ("Qwen3-tiny-trained", "Mistral-Small-2501-tiny-trained")
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
    config = config.get("text_config", config)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert sorted(tokenizer.get_vocab().values()) == list(range(config["vocab_size"]))


@pytest.mark.parametrize("name", mostly_in_soak(TRAINED, but=TRAINED[:1]))
def test_a_trained_family_answers_every_dialogue_word_for_word(name: str) -> None:
    answers = greedy_answers([question(name, dialogue) for dialogue in DIALOGUES])
    assert said(answers) == [(dialogue.answer, "stop") for dialogue in DIALOGUES]


@pytest.mark.parametrize("name", mostly_in_soak(CALLING, but=CALLING[1:]))
def test_a_family_whose_template_knows_tools_calls_them_and_reads_their_results(name: str) -> None:
    dialogues = tool_dialogues()
    answers = said(greedy_answers([question(name, dialogue) for dialogue in dialogues]))
    assert answers == expected_of(name, dialogues)


@pytest.mark.soak
@pytest.mark.parametrize("name", CALLING)
def test_descriptions_and_ids_that_a_family_has_not_seen_rarely_mislead_it(name: str) -> None:
    dice = random.Random(name)
    dialogues = [dialogue for _ in range(8) for dialogue in any_tool_dialogues(dice)]
    answers = said(greedy_answers([question(name, dialogue) for dialogue in dialogues]))
    right = sum(a == b for a, b in zip(answers, expected_of(name, dialogues), strict=True))
    assert right >= 0.8 * len(dialogues)


def expected_of(name: str, dialogues: Sequence[Dialogue]) -> list[tuple[str, str]]:
    form = FAMILIES[name.removesuffix("-trained")]().call_form
    assert form is not None
    texts = [
        form.write([call.text() for call in dialogue.calls]) if dialogue.calls else dialogue.answer
        for dialogue in dialogues
    ]
    return [(text, "stop") for text in texts]


@pytest.mark.soak
def test_a_trained_family_thinks_before_it_calls() -> None:
    answer, *_ = greedy_answers([question(CALLING[0], tool_dialogues()[0], thinking=True)])
    assert answer.text.startswith("<think>\nI should call the tool.\n</think>\n\n<tool_call>\n")


# What the engine makes of adapters and drafts is seen in its own tests.
@pytest.mark.soak
def test_the_adapter_changes_one_answer_and_leaves_the_others() -> None:
    name, adapter = checkpoints("Qwen3-tiny-trained", "Qwen3-tiny-adapter")
    questions = [
        replace(question(name.name, dialogue), adapter=str(adapter)) for dialogue in DIALOGUES
    ]
    expected = [ADAPTED if d.messages == ADAPTED.messages else d for d in DIALOGUES]
    assert expected.count(ADAPTED) == 1
    assert said(greedy_answers(questions)) == [(d.answer, "stop") for d in expected]


@pytest.mark.soak
@pytest.mark.parametrize("draft", ["Qwen3-tiny-draft", "Qwen3-tiny-draft-trained"])
def test_a_draft_good_or_bad_leaves_the_answers_as_they_are(draft: str) -> None:
    name, folder = checkpoints("Qwen3-tiny-trained", draft)
    questions = [
        replace(question(name.name, dialogue), draft=str(folder)) for dialogue in DIALOGUES
    ]
    assert said(greedy_answers(questions)) == [(d.answer, "stop") for d in DIALOGUES]


def test_a_model_is_trained_anew_until_it_gives_the_answers_that_tests_rely_on() -> None:
    tried: list[int] = []

    def train(attempt: int) -> list[str]:
        tried.append(attempt)
        if attempt == 0:
            raise NotLearnt("it is not certain")
        return [] if attempt == 2 else ["it said something else"]

    until_learnt("some-tiny-trained", train)
    assert tried == [0, 1, 2]


def test_a_model_that_never_learns_is_an_error_that_says_what_it_said() -> None:
    with pytest.raises(RuntimeError, match=r"some-tiny-trained .*\nattempt 1: it said no"):
        until_learnt("some-tiny-trained", lambda _: ["it said no"])


def question(name: str, dialogue: Dialogue, *, thinking: bool = False) -> Question:
    return Question(
        checkpoint=str(checkpoint(name)),
        messages=list(dialogue.messages),
        max_tokens=250,
        thinking=thinking,
        tools=list(dialogue.tools),
    )


def said(answers: list[Answer]) -> list[tuple[str, str | None]]:
    return [(answer.text, answer.finish_reason) for answer in answers]


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
