"""What `mlx-gui search` prints, from what the server answers."""

from mlx_gui.cli.search import starter_row
from mlx_gui.wire.discover import FitBody, StarterBody, SupportedBody

STARTER = StarterBody(
    id="org/one",
    kind="text",
    family="One",
    model_type="one",
    memory_gb=6,
    size_bytes=2_000_000_000,
    parameter_count=4_000_000_000,
    quantization="4-bit",
    license="mit",
    license_class="permissive",
    dimensions=None,
    embedded=False,
    tried=False,
    note=None,
    chosen=True,
    supported=SupportedBody(ok=True, reason=None),
    fit=FitBody(state="yes", need_bytes=1, context=None),
    installed=None,
)


def test_a_starter_says_whether_it_was_tried() -> None:
    row = ("org/one", "text", "6 GB", "2.0 GB", "mit", "no", "yes", "advised")
    assert starter_row(STARTER) == row
    assert starter_row(STARTER.model_copy(update={"tried": True}))[5] == "yes"
