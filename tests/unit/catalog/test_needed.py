"""Which files of a repo are fetched, and which repos are refused."""

import json
from collections.abc import Sequence

import pytest

from mlx_gui.catalog.needed import check_config, check_index, needed_files
from mlx_gui.core.errors import InvalidRequest, NotServable
from mlx_gui.core.hub import RepoFile, RepoTree

INDEX = "model.safetensors.index.json"


def tree(*paths: str) -> RepoTree:
    files = tuple(RepoFile(path, 10 + len(path), "d" * 40, None) for path in paths)
    return RepoTree("org/name", "a" * 40, files)


def needed(*paths: str, asked: Sequence[str] = ()) -> set[str]:
    return {file.path for file in needed_files(tree(*paths), asked)}


def test_weights_and_what_describes_them_are_needed_and_no_more() -> None:
    useful = {
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt",
        "qwen.tiktoken", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        INDEX, "1_Pooling/config.json", "voices/one.safetensors", "preprocessor_config.json",
        "README.md",
    }  # fmt: skip
    useless = {
        ".gitattributes", "docs/README.md", "LICENSE", "LICENSE.txt", "modeling_own.py", "run.sh",
        "pytorch_model.bin", "model.pt", "optimizer.pt", "training_args.bin", "trainer_state.json",
        "onnx/model.onnx", "onnx/config.json", "original/consolidated.safetensors",
        "original/params.json", "checkpoint-500/model.safetensors", "figures/one.png",
        "openvino/openvino_model.xml", "tf_model.h5", "flax_model.msgpack", "model-q4.gguf",
        "requirements.txt", "voices/one.pt", ".cache/config.json", "eval_results.json",
    }  # fmt: skip
    assert needed(*useful, *useless) == useful


def test_the_smallest_come_first() -> None:
    found = needed_files(tree("model.safetensors", "config.json"))
    assert [file.path for file in found] == ["config.json", "model.safetensors"]


def test_second_copies_of_the_weights_are_left_out() -> None:
    paths = ("config.json", "model.safetensors", "model.fp16.safetensors")
    assert needed(*paths) == {"config.json", "model.safetensors"}
    paths = ("config.json", "model-00001-of-00001.safetensors", "consolidated.safetensors")
    assert "consolidated.safetensors" not in needed(*paths)
    assert "consolidated.safetensors" in needed("config.json", "consolidated.safetensors")
    assert "model.fp16.safetensors" in needed("config.json", "model.fp16.safetensors")


def test_arrays_of_whisper_are_weights_and_other_arrays_are_none() -> None:
    assert needed("config.json", "weights.npz") == {"config.json", "weights.npz"}
    paths = ("config.json", "weights.npz", "weights.safetensors")
    assert needed(*paths) == {"config.json", "weights.safetensors"}
    with pytest.raises(NotServable, match="pickles"):
        needed("config.json", "arrays.npz")


def test_gguf_is_fetched_where_it_is_asked_for() -> None:
    paths = ("config.json", "model-q4.gguf", "model-q8.gguf", "model.safetensors")
    assert needed(*paths, asked=["*q4.gguf"]) == {"config.json", "model-q4.gguf"}
    assert needed("a-q4.gguf", "b-q8.gguf", asked=["a*"]) == {"a-q4.gguf"}


def test_asking_for_what_is_no_weight_adds_it() -> None:
    paths = ("config.json", "LICENSE", "model.safetensors")
    assert needed(*paths, asked=["LICENSE"]) == set(paths)


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ((), "has no weights"),
        (("README.md", "config.json"), "has no weights"),
        (("config.json", "pytorch_model.bin"), "as pickles only"),
        (("config.json", "model.ckpt", "model.py"), "as pickles only"),
        (("config.json", "modeling_x.py"), "only code of its own"),
        (("a.gguf", "b.gguf", "c.gguf", "d.gguf"), "GGUF only: .* and 1 more"),
        (("model.safetensors",), "has no config.json"),
        (("onnx/model.safetensors", "config.json"), "has no weights"),
    ],
)
def test_a_repo_without_use_is_refused_with_the_reason(paths: Sequence[str], reason: str) -> None:
    with pytest.raises(NotServable, match=reason) as refused:
        needed(*paths)
    assert refused.value.hint


@pytest.mark.parametrize("asked", ["*.bin", "*.py", "nothing*", "../*"])
def test_pickles_and_code_are_not_fetched_even_if_asked_for(asked: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        needed("config.json", "model.safetensors", "x.bin", "x.py", asked=[asked])
    assert refused.value.details["param"] == "files"


def test_an_index_that_names_missing_files_is_refused() -> None:
    found = tree("config.json", INDEX, "model-00001-of-00003.safetensors")
    index = next(file for file in found.files if file.path == INDEX)
    whole = {"weight_map": {"a": "model-00001-of-00003.safetensors"}}
    check_index(found, index, json.dumps(whole).encode())
    half = {"weight_map": {"a": "model-00002-of-00003.safetensors", "b": "../../secret"}}
    with pytest.raises(NotServable, match="lacks 2 of the files"):
        check_index(found, index, json.dumps(half).encode())


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"weight_map": 3}', b"[" * 100_000])
def test_what_is_no_index_is_refused(content: bytes) -> None:
    found = tree(INDEX)
    with pytest.raises(NotServable, match="damaged"):
        check_index(found, found.files[0], content)


def test_what_only_its_own_code_can_run_is_refused() -> None:
    found = tree("config.json")
    own = {"auto_map": {"AutoModel": "modeling_own.Own"}, "model_type": "own"}
    with pytest.raises(NotServable, match="'own' is in none of the installed libraries"):
        check_config(found, json.dumps(own).encode(), supported={"text": ("llama",)})
    check_config(found, json.dumps(own).encode(), supported={})
    known = {**own, "model_type": "llama"}
    check_config(found, json.dumps(known).encode(), supported={"text": ("llama",)})
    with pytest.raises(NotServable, match="damaged"):
        check_config(found, b"[]", supported={})


@pytest.mark.parametrize("variant", ["base", "voice_design"])
def test_a_model_that_speaks_and_has_no_voices_is_refused_before_it_is_fetched(
    variant: str,
) -> None:
    config = {"model_type": "qwen3_tts", "tts_model_type": variant}
    found = tree("config.json", "model.safetensors")
    with pytest.raises(NotServable, match="CustomVoice"):
        check_config(found, json.dumps(config).encode(), supported={})
    voices = {"spk_id": {"vivian": 3065}}
    served = {**config, "tts_model_type": "custom_voice", "talker_config": voices}
    check_config(found, json.dumps(served).encode(), supported={})
