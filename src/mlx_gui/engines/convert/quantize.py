"""Packs the weights of a model into fewer bits, through the library that serves it."""

import json
import shutil
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from mlx_gui.core.errors import LoadFailed, ModelUnsupported
from mlx_gui.core.quantization import Quantization
from mlx_gui.engines.convert.gguf import ConvertReport
from mlx_gui.engines.convert.packing import Packing

ORIGIN_FILE = "mlx-gui.json"
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.npz", "*.gguf")


def quantize(
    source: Path,
    out: Path,
    wanted: Quantization,
    report: ConvertReport,
    *,
    model_id: str,
    packing: Packing,
) -> None:
    """Write the folder `source`, of the model `model_id`, with packed weights into `out`.

    Raises ModelUnsupported for a model whose weights cannot be packed so, LoadFailed for a broken
    one.
    """
    try:
        model, config = packing.load(source)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise LoadFailed(f"{model_id} cannot be read: {error}") from error
    if "quantization" in config:
        raise ModelUnsupported(
            f"{model_id} is quantized already.",
            hint="Convert the model that it was made of: packing twice loses twice.",
        )
    total_bytes = _bytes_of(model)
    done_bytes = 0

    def pack(path: str, module: nn.Module) -> bool | dict[str, object]:
        """Whether the module is packed; read and packed one after the other, to be seen."""
        nonlocal done_bytes
        mx.eval(module.parameters())
        done_bytes += _bytes_of(module)
        report("quantize", min(done_bytes, total_bytes), total_bytes)
        if packing.stays(path):
            return False
        own = getattr(model, "quant_predicate", None)
        return True if own is None else own(path, module)

    model, config = packing.quantize(
        model, config, wanted.group_size, wanted.bits, mode=wanted.mode, quant_predicate=pack
    )
    if not any(name.endswith(".scales") for name, _ in tree_flatten(model.parameters())):
        raise ModelUnsupported(
            f"Nothing of {model_id} can be packed in groups of {wanted.group_size}.",
            hint="Try a smaller group_size.",
        )
    report("write", total_bytes, total_bytes)
    shutil.copytree(source, out, ignore=shutil.ignore_patterns(*_WEIGHTS, ".*"), dirs_exist_ok=True)
    packing.save(out, model)
    packing.save_config(config, config_path=out / "config.json")
    origin = {"source": model_id, "bits": wanted.bits, "group_size": wanted.group_size}
    (out / ORIGIN_FILE).write_text(json.dumps(origin | {"mode": wanted.mode}) + "\n", "utf-8")


def _bytes_of(module: nn.Module) -> int:
    leaves = (each for _, each in tree_flatten(module.parameters()))
    return sum(each.nbytes for each in leaves if isinstance(each, mx.array))
