"""Tries a BLAS in a process of its own before a worker trusts it.

Old builds of OpenBLAS crash or compute nonsense on processors that they do not know. Of the shim
the products with packed weights are tried as well.
"""

import ctypes
import hashlib
import os
import random
import signal
import tempfile
from collections.abc import Callable
from operator import mul
from pathlib import Path

_LIMIT_S = 20
_GOOD, _WRONG, _UNUSABLE = 0, 1, 2
_ROW_MAJOR, _AS_IS, _TRANSPOSED = 101, 111, 112

_SHAPES = (
    # rows, columns, depth, whether the second factor is transposed: as MLX calls sgemm
    (1, 600, 576, True),
    (1, 64, 300, False),
    (2, 96, 200, True),
    (3, 70, 41, False),
    (4, 130, 77, True),
    (7, 97, 200, True),
    (18, 66, 61, True),
    (23, 67, 300, True),
    (33, 70, 17, True),
    (37, 34, 290, True),
    (128, 192, 576, True),
    (128, 64, 150, False),
)

_GROUP = 64
_PACKED_SHAPE = 41, 9 * _GROUP
"""Rows and columns of a packed matrix; more columns than are opened at once."""
_PACKED_BITS = (2, 3, 4, 5, 6, 8)
_PACKED_ROWS = ((1, True), (6, True), (75, True), (3, False))
"""Rows of the other factor, and whether the packed one is transposed."""


def problem_with(library: Path, *, folder: Path, cpu: str) -> str | None:
    """Why `library` cannot be used on this processor, or None when it computes right.

    The verdict is kept in `folder` for as long as file and processor stay the same.
    """
    try:
        stamp = f"{library}\0{library.stat().st_mtime_ns}\0{cpu}"
    except OSError as error:
        return f"{library} cannot be read: {error.strerror}."
    verdict = folder / f"verdict-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.txt"
    try:
        return verdict.read_text(encoding="utf-8") or None
    except OSError:
        problem, lasting = _try(library)
    if lasting:
        _write(verdict, problem or "")
    return problem


def _try(library: Path) -> tuple[str | None, bool]:
    """The problem, and whether it would be the same the next time.

    A fork serves here although threads may run: the child only computes and leaves by `_exit`.
    """
    child = os.fork()
    if child == 0:
        code = _UNUSABLE
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_LIMIT_S)
            code = _trial(library)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        lasting = name not in ("SIGALRM", "SIGKILL", "SIGTERM")
        return f"{library} ended a trial product by {name}.", lasting
    code = os.WEXITSTATUS(status)
    if code == _GOOD:
        return None, True
    if code == _WRONG:
        return f"{library} computes wrong products on this processor.", True
    # A library that it depends on may be installed later.
    return f"{library} is not a library with cblas_sgemm.", False


def _trial(library: Path) -> int:
    try:
        opened = ctypes.CDLL(str(library))
        sgemm = opened.cblas_sgemm
    except (OSError, AttributeError):
        return _UNUSABLE
    sgemm.restype = None
    number, size, pointer = ctypes.c_float, ctypes.c_int, ctypes.POINTER(ctypes.c_float)
    sgemm.argtypes = [
        *[size] * 6, number, pointer, size, pointer, size, number, pointer, size,
    ]  # fmt: skip
    source = random.Random(0)
    right = all(_multiplies(sgemm, source, *shape) for shape in _SHAPES)
    if right and hasattr(opened, "mlx_gui_hold_packed"):
        right = all(_multiplies_packed(opened, sgemm, source, bits) for bits in _PACKED_BITS)
    return _GOOD if right else _WRONG


def _multiplies(
    sgemm: Callable[..., None],
    source: random.Random,
    rows: int,
    columns: int,
    depth: int,
    transposed: bool,
) -> bool:
    """Whether one product is exact."""
    b = _whole(source, depth * columns, 3)
    at = (ctypes.c_float * len(b))(*b)
    return _is_right(sgemm, source, rows, columns, depth, b, at, transposed=transposed)


def _multiplies_packed(
    library: ctypes.CDLL, sgemm: Callable[..., None], source: random.Random, bits: int
) -> bool:
    """Whether products with numbers of so many bits are exact, or such are not taken at all."""
    rows, columns = _PACKED_SHAPE
    count, groups = rows * columns, rows * columns // _GROUP
    numbers = source.choices(range(1 << bits), k=count)
    scales, biases = _whole(source, groups, 2), _whole(source, groups, 2)
    weights = [
        scales[place // _GROUP] * number + biases[place // _GROUP]
        for place, number in enumerate(numbers)
    ]
    stream = sum(number << place * bits for place, number in enumerate(numbers))
    packed = ctypes.create_string_buffer(stream.to_bytes(count * bits // 8, "little"))
    kept = [(ctypes.c_float * groups)(*values) for values in (scales, biases)]
    hold = library.mlx_gui_hold_packed
    size = ctypes.c_long
    if not hold(packed, *kept, size(1), size(rows), size(columns), bits, _GROUP):
        return True
    at = ctypes.cast(packed, ctypes.POINTER(ctypes.c_float))
    return all(
        _is_right(
            sgemm, source, others, *((rows, columns) if transposed else (columns, rows)), weights,
            at, transposed=transposed,
        )
        for others, transposed in _PACKED_ROWS
    )  # fmt: skip


def _is_right(
    sgemm: Callable[..., None],
    source: random.Random,
    rows: int,
    columns: int,
    depth: int,
    b: list[float],
    at: object,
    *,
    transposed: bool,
) -> bool:
    """Whether a product with `b`, which lies at `at`, is exact.

    The numbers are small and whole, so that every order of summing gives the same float32. Compared
    are the products with a vector, C v with A (B v): any wrong element shows, and nobody has to
    multiply matrices in Python.
    """
    a, vector = _whole(source, rows * depth, 3), _whole(source, columns, 1000)
    product = (ctypes.c_float * (rows * columns))(*[float("nan")] * (rows * columns))
    sgemm(
        _ROW_MAJOR, _AS_IS, _TRANSPOSED if transposed else _AS_IS, rows, columns, depth,
        1.0, (ctypes.c_float * len(a))(*a), depth,
        at, depth if transposed else columns,
        0.0, product, columns,
    )  # fmt: skip
    if transposed:
        b_vector = [sum(map(mul, b[i::depth], vector)) for i in range(depth)]
    else:
        b_vector = _times(b, vector)
    return _times(list(product), vector) == _times(a, b_vector)


def _whole(source: random.Random, count: int, limit: int) -> list[float]:
    return [float(n) for n in source.choices(range(-limit, limit + 1), k=count)]


def _times(matrix: list[float], vector: list[float]) -> list[float]:
    width = len(vector)
    return [
        sum(map(mul, matrix[start : start + width], vector))
        for start in range(0, len(matrix), width)
    ]


def _write(file: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=file.parent, delete=False
    ) as unfinished:
        unfinished.write(text)
    os.replace(unfinished.name, file)
