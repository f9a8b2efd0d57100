"""The forms that weights are held in. MLX runs in a child."""

from typing import Any

import pytest

from tests.engines.remote import RemoteEngine

FORMS = ("stored", "float32", "float32-scales")
MODES = {
    "affine": {"group_size": 32, "bits": 4},
    "mxfp4": {"group_size": 32, "bits": 4},
    "mxfp8": {"group_size": 32, "bits": 8},
    "nvfp4": {"group_size": 16, "bits": 4},
}


def layers(mode: str) -> Any:
    """In the child: a model in bfloat16 with one layer of each kind, quantised by `mode`."""
    import mlx.core as mx
    import mlx.nn as nn

    from mlx_gui.engines.text.mlx_lm import MultiLinear, SwitchLinear

    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(32, 64)
            self.blocks = [{"linear": nn.Linear(64, 64)}, {"norm": nn.RMSNorm(64)}]
            self.experts = SwitchLinear(64, 32, 2, bias=True)
            self.heads = MultiLinear(64, 32, 2)

        def __call__(self) -> list[mx.array]:
            x = self.embedding(mx.array([[1, 2]])).astype(mx.float32)
            y = self.blocks[1]["norm"](self.blocks[0]["linear"](x))
            return [
                self.embedding.as_linear(y),
                self.experts(y[:, :, None], mx.array([[[0], [1]]])),
                self.heads(y[:, None]),
            ]

    mx.random.seed(3)
    model = Layers()
    model.blocks[0]["linear"].bias = mx.random.normal([64])
    model.set_dtype(mx.bfloat16)
    if mode != "dense":
        nn.quantize(
            model,
            **MODES[mode],
            mode=mode,
            class_predicate=lambda _, layer: hasattr(layer, "to_quantized"),
        )
    return model


def deviation(mode: str, form: str) -> float:
    """In the child: how far the outputs of `form` are from MLX's own in float32, relatively."""
    import mlx.core as mx

    from mlx_gui.engines.text.weights import hold_weights

    reference = layers(mode)
    reference.set_dtype(mx.float32)
    model = layers(mode)
    hold_weights(model, form, lambda *_: None)
    return max(
        (mx.abs(ours - theirs).max() / mx.abs(theirs).max()).item()
        for ours, theirs in zip(model(), reference(), strict=True)
    )


def held(mode: str, form: str) -> dict[str, Any]:
    """In the child: what is in memory before and after, and the progress on the way."""
    from mlx.utils import tree_flatten

    from mlx_gui.engines.text.weights import hold_weights

    model = layers(mode)
    stored = {path: str(array.dtype) for path, array in tree_flatten(model.parameters())}
    progress: list[tuple[str, int, int]] = []
    hold_weights(model, form, lambda *step: progress.append(step))
    arrays = dict(tree_flatten(model.parameters()))
    return {
        "stored": stored,
        "dtypes": {path: str(array.dtype) for path, array in arrays.items()},
        "bytes": sum(array.nbytes for array in arrays.values()),
        "progress": progress,
    }


@pytest.mark.parametrize("form", ["float32", "float32-scales"])
@pytest.mark.parametrize("mode", [*MODES, "dense"])
def test_a_wider_form_computes_with_the_same_numbers(
    engine: RemoteEngine, mode: str, form: str
) -> None:
    assert engine.child.call(deviation, mode, form) <= 1e-5


@pytest.mark.parametrize("mode", [*MODES, "dense"])
def test_with_wide_scales_no_short_float_is_left(engine: RemoteEngine, mode: str) -> None:
    dtypes = engine.child.call(held, mode, "float32-scales")["dtypes"]
    assert not {"mlx.core.bfloat16", "mlx.core.float16"} & set(dtypes.values())
    assert dtypes.keys() == engine.child.call(held, mode, "stored")["dtypes"].keys()


@pytest.mark.parametrize("mode", [*MODES, "dense"])
def test_in_float32_nothing_is_packed(engine: RemoteEngine, mode: str) -> None:
    dtypes = engine.child.call(held, mode, "float32")["dtypes"]
    assert set(dtypes.values()) == {"mlx.core.float32"}
    assert "blocks.0.linear.bias" in dtypes
    assert "experts.bias" in dtypes


@pytest.mark.parametrize("mode", [*MODES, "dense"])
def test_stored_weights_stay_as_they_are(engine: RemoteEngine, mode: str) -> None:
    result = engine.child.call(held, mode, "stored")
    assert result["dtypes"] == result["stored"]


@pytest.mark.parametrize("form", FORMS)
def test_progress_counts_the_bytes_that_are_held(engine: RemoteEngine, form: str) -> None:
    result = engine.child.call(held, "affine", form)
    assert result["progress"][0] == ("weights", 0, result["bytes"])
    assert result["progress"][-1] == ("weights", result["bytes"], result["bytes"])
