"""A safetensors file written in pieces is one that the library reads, whatever their order."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mlx_gui.core.errors import DiskFull
from mlx_gui.engines.convert.safetensors_file import SafetensorsFile, StoredTensor


def test_rows_land_where_the_library_looks_for_them(tmp_path: Path) -> None:
    half = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
    whole = np.arange(10, dtype=np.uint32).reshape(5, 2)
    tensors = {"a": StoredTensor("F16", half.shape), "b": StoredTensor("U32", whole.shape)}
    with SafetensorsFile(tmp_path / "model.safetensors", tensors) as file:
        file.write_rows("b", 3, whole[3:].tobytes())
        file.write_rows("a", 0, half[0].tobytes())
        file.write_rows("b", 0, whole[:3].tobytes())
        file.write_rows("a", 3, half[1].tobytes())
    read = load_file(tmp_path / "model.safetensors")
    assert np.array_equal(read["a"], half)
    assert np.array_equal(read["b"], whole)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
def test_a_full_disk_is_named() -> None:
    with (
        pytest.raises(DiskFull, match="The disk of /dev is full"),
        SafetensorsFile(Path("/dev/full"), {"a": StoredTensor("U32", (4, 4))}),
    ):
        pass
