"""Which files of a repo come by plain HTTP and which by Xet, and which by neither."""

from collections.abc import Iterable

from mlx_gui.core.errors import NotServable
from mlx_gui.core.hub import RepoFile, RepoTree, XetUse
from mlx_gui.core.units import format_bytes

MOST_PLAIN_BYTES = 50_000_000_000
"""What the hub gives over plain HTTP; huggingface_hub has the same bound."""


def by_xet(file: RepoFile, use: XetUse, *, most_plain_bytes: int = MOST_PLAIN_BYTES) -> bool:
    """Whether `file` is to come by Xet."""
    wanted = use == "on" or (use == "auto" and file.size_bytes > most_plain_bytes)
    return wanted and file.xet_hash is not None


def check_ways(
    tree: RepoTree,
    files: Iterable[RepoFile],
    use: XetUse,
    *,
    hashes_known: bool = True,
    most_plain_bytes: int = MOST_PLAIN_BYTES,
) -> None:
    """Raises NotServable for a file that neither way brings.

    Without `hashes_known` nobody has said yet what the Xet store has.
    """
    for file in files:
        if file.size_bytes <= most_plain_bytes:
            continue
        if use != "off" and (file.xet_hash is not None or not hashes_known):
            continue
        size, most = format_bytes(file.size_bytes), format_bytes(most_plain_bytes)
        why = (
            "which the setting `xet` switches off"
            if use == "off"
            else "and this hub does not say that it has the file there"
        )
        raise NotServable(
            f"{file.path} of {tree.model_id} has {size}. Hubs give files of more than {most} by "
            f"their Xet protocol alone, {why}.",
            hint=("Set `xet` to auto, or take" if use == "off" else "Take")
            + " a repo that has the model in several files. Or let the hub's own client fetch it "
            f"into the same cache: `hf download {tree.model_id}`, then `mlx-gui list --rescan`.",
        )
