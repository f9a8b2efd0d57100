"""What each program of the package loads, watched in a fresh interpreter."""

import subprocess
import sys

import pytest

MODEL_LIBRARIES = ["mlx", "mlx_lm", "transformers", "tokenizers", "numpy"]

TRAINING = ["cv2", "datasets", "miniaudio", "pandas", "pyarrow", "scipy", "sounddevice"]
"""What libraries of models name beside what they need, and no worker ever imports."""

CHILD = """
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked here")

sys.meta_path.insert(0, Blocked())
importlib.import_module({module!r})
print(*(name for name in {watched!r} if name in sys.modules))
"""


def import_in_child(
    module: str, *, blocked: list[str] | None = None, watched: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The child's run; its output names those of `watched` that the import loaded."""
    code = CHILD.format(module=module, blocked=blocked or [], watched=watched or [])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("module", ["mlx_gui.app", "mlx_gui.serve", "mlx_gui.cli.main"])
def test_the_control_plane_starts_without_the_model_libraries(module: str) -> None:
    child = import_in_child(module, blocked=MODEL_LIBRARIES)
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize("library", MODEL_LIBRARIES)
def test_a_blocked_library_cannot_be_imported(library: str) -> None:
    child = import_in_child(library, blocked=MODEL_LIBRARIES)
    assert f"ImportError: {library} is blocked here" in child.stderr


@pytest.mark.parametrize(
    ("module", "unloaded"),
    [
        (
            "mlx_gui.cli.main",
            [
                *("fastapi", "uvicorn", "sqlalchemy", "alembic", "httpx"),
                *("mlx_gui.desktop", "mlx_gui.service", "dbus_fast", "pystray", "PIL"),
            ],
        ),
        (
            "mlx_gui.serve",
            [
                *("alembic", "httpx", "huggingface_hub", "fastapi", "pydantic"),
                *("mlx_gui.asgi", "mlx_gui.api.families", "mlx_gui.wire", "mlx_gui.client"),
            ],
        ),
    ],
)
def test_a_start_does_not_wait_for_what_it_may_not_need(module: str, unloaded: list[str]) -> None:
    child = import_in_child(module, watched=unloaded)
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == []


PACKAGES_OF_A_START = {
    *("anyio", "sniffio", "starlette", "python_multipart"),
    *("uvicorn", "uvloop", "httptools", "click"),
    *("sqlalchemy", "greenlet"),
    *("typer", "shellingham", "annotated_doc", "platformdirs"),
    *("msgspec", "structlog", "prometheus_client", "psutil", "typing_extensions"),
}
"""What a server imports before it answers `/health`. Each costs every start."""


START = """
import sys
before = set(sys.modules)
import mlx_gui.__main__, mlx_gui.cli.main, mlx_gui.cli.start
with mlx_gui.cli.start.hidden("rich"):
    import mlx_gui.serve
for name in set(sys.modules) - before:
    if "site-packages" in (getattr(sys.modules[name], "__file__", None) or ""):
        print(name.partition(".")[0])
"""


def test_a_start_imports_no_other_packages_before_it_answers() -> None:
    child = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    found = {name for name in child.stdout.split() if "__mypyc" not in name}
    assert found - {"mlx_gui"} - PACKAGES_OF_A_START == set()


@pytest.mark.parametrize(
    ("kind", "unloaded"),
    [
        ("text", ["mlx_vlm", "mlx_audio", "soundfile", "samplerate"]),
        ("embedding", ["mlx_lm", "mlx_audio"]),
    ],
)
def test_a_worker_imports_the_library_of_its_kind_and_no_other(
    kind: str, unloaded: list[str]
) -> None:
    child = import_in_child(f"mlx_gui.engines.{kind}.engine", watched=[*unloaded, *TRAINING])
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == []


def test_what_speaks_loads_nothing_that_the_pins_leave_out() -> None:
    left_out = ["cv2", "datasets", "miniaudio", "pandas", "pyarrow", "scipy", "sounddevice"]
    code = (
        "import sys; from mlx_gui.engines.speech.engine import warm; warm(); "
        f"print(*(set({left_out}) & sys.modules.keys()))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == []


def test_what_hears_loads_nothing_that_the_pins_leave_out() -> None:
    left_out = ["cv2", "datasets", "miniaudio", "pandas", "pyarrow", "scipy", "sounddevice"]
    child = import_in_child("mlx_gui.engines.transcription.engine", watched=left_out)
    assert child.returncode == 0, child.stderr
    assert child.stdout.split() == []
