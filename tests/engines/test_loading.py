"""Folders that cannot be loaded, and prompts that cannot be taken."""

import json
import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_gui.core.errors import (
    CapabilityMissing,
    ContextTooLong,
    InvalidRequest,
    LoadFailed,
    MlxGuiError,
    ModelNotFound,
    ModelUnsupported,
)
from mlx_gui.core.generation import GenerateRequest, ImagePart, Message, Sampling, TextPart
from tests.engines.remote import RemoteEngine, ask, child
from tests.zoo.cache import checkpoint

GREEDY = Sampling(temperature=0)
WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint, to be broken."""
    return Path(shutil.copytree(checkpoint("Llama-3.2-tiny"), tmp_path / "broken"))


def change_config(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def cut_weights(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def rename_tensor(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content.replace(b"model.norm.weight", b"model.nose.weight"))


BROKEN: dict[str, tuple[Callable[[Path], object], type[MlxGuiError], str]] = {
    "no folder": (shutil.rmtree, ModelNotFound, "is not there any more"),
    "no config": (lambda f: (f / "config.json").unlink(), LoadFailed, "has no config.json"),
    "config is not JSON": (
        lambda f: (f / "config.json").write_text("{"), LoadFailed, "config.json .* cannot be read"
    ),
    "config is a list": (
        lambda f: (f / "config.json").write_text("[]"), LoadFailed, "holds no settings"
    ),
    "unknown architecture": (
        lambda f: change_config(f, model_type="mamba9"), ModelUnsupported, "mamba9"
    ),
    "architecture is a path": (
        lambda f: change_config(f, model_type="../cache"), ModelUnsupported, "not supported"
    ),
    "architecture is missing": (
        lambda f: change_config(f, model_type=None), ModelUnsupported, "None"
    ),
    "own code": (
        lambda f: change_config(f, model_file="evil.py"), ModelUnsupported, "evil.py.*never run"
    ),
    "config lacks a number": (
        lambda f: change_config(f, num_hidden_layers=None), LoadFailed, "Loading the weights"
    ),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), LoadFailed, "No safetensors found"),
    "weights cut short": (cut_weights, LoadFailed, "invalid data offsets|incomplete"),
    "weights are noise": (
        lambda f: (f / WEIGHTS).write_bytes(b"\x07" * 1000), LoadFailed, "Loading the weights"
    ),
    "a tensor is missing": (rename_tensor, LoadFailed, "model.n"),
    "shapes differ": (
        lambda f: change_config(f, intermediate_size=32), LoadFailed, "shape"
    ),
    "no tokenizer": (
        lambda f: (f / "tokenizer.json").unlink(), LoadFailed, "no usable tokenizer"
    ),
    "tokenizer is not JSON": (
        lambda f: (f / "tokenizer.json").write_text("{"), LoadFailed, "no usable tokenizer"
    ),
    "generation settings are not JSON": (
        lambda f: (f / "generation_config.json").write_text("{"), LoadFailed, "generation_config"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_refused_with_its_reason(
    case: str, folder: Path, engine: RemoteEngine
) -> None:
    damage, error_class, reason = BROKEN[case]
    damage(folder)
    with pytest.raises(error_class, match=reason) as raised:
        engine.load(folder)
    assert type(raised.value) is error_class
    assert "test/broken" in raised.value.message
    assert len(raised.value.message) < 600


def test_rope_settings_of_transformers_5_are_understood(folder: Path, engine: RemoteEngine) -> None:
    request = ask("What is the capital of France? " * 10, sampling=GREEDY, max_tokens=16)
    want = engine.load(folder).answer(request).outcome()
    config = json.loads((folder / "config.json").read_text())
    nested = {**config["rope_scaling"], "rope_theta": config["rope_theta"]}
    change_config(folder, rope_parameters=nested, rope_theta=None, rope_scaling=None)
    assert engine.load(folder).answer(request).outcome() == want


def test_a_model_without_a_template_continues_a_transcript(
    folder: Path, engine: RemoteEngine
) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer_config = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer_config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    engine.load(folder)
    prompt = engine.prepare("", ask("Hello", "Hi", "How are you?"))
    text = engine.child.call(_decoded, folder, prompt.payload.ids)
    assert text.endswith("user: Hello\n\nassistant: Hi\n\nuser: How are you?\n\nassistant:")
    assert engine.answer(ask("Hello", max_tokens=3)).usage.completion_tokens <= 3


def _decoded(folder: Path, ids: list[int]) -> str:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(folder / "tokenizer.json")).decode(ids)


def message(role: str, *parts: TextPart | ImagePart) -> Message:
    return Message(role, parts)  # pyright: ignore[reportArgumentType]


HELLO = TextPart("Hello")
REFUSED = {
    "no messages": (GenerateRequest(()), InvalidRequest, "no messages"),
    "a picture": (
        GenerateRequest((message("user", HELLO, ImagePart(b"\x89PNG")),)),
        CapabilityMissing,
        "picture",
    ),
    "roles that the template refuses": (
        GenerateRequest(
            (message("user", HELLO),), template="{{ raise_exception('Roles must alternate') }}"
        ),
        InvalidRequest,
        "alternate",
    ),
    "a prompt over the context": (ask("Hello " * 600), ContextTooLong, r"\d+ tokens.* 512"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_cannot_be_taken_is_refused_and_the_next_one_answered(
    case: str, engine: RemoteEngine
) -> None:
    engine.load(checkpoint("gemma-3-text-tiny"))
    request, error_class, sentence = REFUSED[case]
    with pytest.raises(error_class, match=sentence) as raised:
        engine.prepare("refused", request)
    assert type(raised.value) is error_class
    assert engine.answer(ask("Hello", max_tokens=2)).usage.completion_tokens <= 2


def test_a_prompt_that_fills_the_context_is_refused_and_one_less_is_taken(
    engine: RemoteEngine,
) -> None:
    count = engine.load(checkpoint("SmolLM2-tiny")).prepare("", ask("Hello")).told.prompt_tokens
    engine.load(checkpoint("SmolLM2-tiny"), context=count)
    with pytest.raises(ContextTooLong) as raised:
        engine.prepare("", ask("Hello"))
    assert raised.value.details == {"prompt_tokens": count, "context_tokens": count}
    engine.load(checkpoint("SmolLM2-tiny"), context=count + 1)
    reply = engine.answer(ask("Hello"))
    assert reply.usage.completion_tokens == 1


def test_a_tokenizer_of_another_model_never_reaches_mlx(folder: Path, engine: RemoteEngine) -> None:
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    word = {**content["added_tokens"][-1], "id": 100_000, "content": "beyond", "special": False}
    content["added_tokens"].append(word)
    file.write_text(json.dumps(content))
    engine.load(folder)
    with pytest.raises(InvalidRequest, match=re.escape("the model has")):
        engine.prepare("", ask("far beyond"))


def test_a_model_that_fails_in_a_step_fails_its_requests_and_goes_on(
    engine: RemoteEngine,
) -> None:
    engine.load(checkpoint("SmolLM2-tiny-trained"))
    want = engine.answer(ask("Hello", sampling=GREEDY)).outcome()
    for name in ("first", "second"):
        engine.admit(name, ask("Hello", sampling=GREEDY))
    failed = engine.child.call(_step_that_fails)
    assert [step.request_id for step in failed] == ["first", "second"]
    for step in failed:
        (failure,) = step.events
        assert failure.error.code == "worker_failed"
        assert "no memory left" in failure.error.message
    assert not engine.busy()
    assert engine.answer(ask("Hello", sampling=GREEDY)).outcome() == want


def _step_that_fails() -> object:
    """In the child: the model's own code raises, as it does when a device gives up."""
    from tests.engines import remote

    engine = remote._engines[0]
    layer = engine._resident.loaded.network.model.layers[0]
    whole = layer.mlp

    def fail(_: object) -> None:
        raise RuntimeError("no memory left")

    layer.mlp = fail
    try:
        return engine.step()
    finally:
        layer.mlp = whole


def test_importing_mlx_lm_leaves_the_limit_of_open_files_alone() -> None:
    with child(mlx=False) as process:
        assert process.call(_limits_after_import, (1500, 3000)) == (1500, 3000)


def _limits_after_import(limits: tuple[int, int]) -> tuple[int, int]:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    import mlx_gui.engines.text.mlx_lm  # noqa: F401

    return resource.getrlimit(resource.RLIMIT_NOFILE)
