"""Whatever a hub answers: it is read, or refused as what makes no sense, and nothing else."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.catalog.hub_facts import (
    as_installed,
    capabilities_of,
    kind_on_hub,
    least_need_bytes,
    parameter_count,
    quantization_of,
    weights_bytes,
    why_unsupported,
)
from mlx_gui.catalog.hub_reading import (
    check_files,
    decoded,
    read_commit,
    read_model,
    read_models,
    read_tree,
)
from mlx_gui.core.errors import HubAnswer
from mlx_gui.core.hub import HubModel, safe_path

NAMES = st.sampled_from(
    ["id", "modelId", "sha", "tags", "pipeline_tag", "library_name", "cardData", "license",
     "license_name", "license_link", "base_model", "baseModels", "models", "gated", "downloads",
     "likes", "lastModified", "safetensors", "parameters", "config", "model_type", "architectures",
     "quantization_config", "quantization", "bits", "group_size", "mode", "quant_method",
     "text_config", "tokenizer_config", "processor_config", "chat_template",
     "template", "siblings", "rfilename",
     "blobId", "size", "lfs", "oid", "sha256", "path", "type", "U32", "BF16", "F99", "num_experts",
     "hidden_size", "vocab_size", "num_hidden_layers", "layer_types", "sliding_window"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["org/name", "file", "a/b.safetensors", "0" * 40, "0" * 64, "text-generation"]
    )
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=12),
    max_leaves=60,
)
MODEL = st.dictionaries(NAMES, ANYTHING, max_size=15).map(lambda said: {**said, "id": "org/name"})


@given(st.binary(max_size=200) | ANYTHING.map(msgspec.json.encode))
def test_any_bytes_are_json_or_refused(body: bytes) -> None:
    with suppress(HubAnswer):
        decoded(body, what="anything")


@given(ANYTHING)
def test_any_json_is_read_or_refused(answer: object) -> None:
    for read in (read_models, read_model, read_commit):
        with suppress(HubAnswer):
            read(answer)
    with suppress(HubAnswer):
        files = read_tree(answer)
        check_files(files)
        assert all(safe_path(file.path) and file.size_bytes >= 0 for file in files)


@given(MODEL, st.dictionaries(NAMES, ANYTHING, max_size=12))
def test_any_model_can_be_judged(said: dict[str, object], config: dict[str, object]) -> None:
    model = read_model(said)
    assert model.id == "org/name"
    for each in (model, msgspec.structs.replace(model, config={**model.config, **config})):
        judge(each, config)


def judge(model: HubModel, config: dict[str, object]) -> None:
    kind_on_hub(model)
    capabilities_of(model)
    why_unsupported(model, {"text": ("llama",)})
    quantization_of(model.config)
    for known in (weights_bytes(model), parameter_count(model), least_need_bytes(model, "cpu")):
        assert known is None or known >= 0
    as_installed(model, config)


@pytest.mark.parametrize("said", [None, 5, "", "a" * 63, "A" * 64, "../" + "a" * 61, ["a" * 64]])
def test_what_is_no_hash_of_the_xet_store_was_not_said(said: object) -> None:
    entry = {"type": "file", "path": "a.safetensors", "size": 1, "oid": "d" * 40}
    lfs = {"oid": "e" * 64, "size": 10}
    (file,) = read_tree([{**entry, "lfs": lfs, "xetHash": said}])
    assert file.xet_hash is None
    (file,) = read_tree([{**entry, "lfs": lfs, "xetHash": "a" * 64}])
    assert file.xet_hash == "a" * 64


def test_a_model_that_a_hub_lists_twice_is_one() -> None:
    listed = [{"id": "org/a", "likes": 1}, {"id": "org/b"}, {"id": "org/a", "likes": 2}, {"id": 5}]
    found = read_models(listed)
    assert [(model.id, model.likes) for model in found] == [("org/a", 1), ("org/b", None)]
