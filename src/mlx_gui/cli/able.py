"""Which model a command asks that needs a capability and was told none."""

from mlx_gui.client import Client
from mlx_gui.core.errors import Conflict, ModelNotFound
from mlx_gui.core.model import Capability


def able_model(client: Client, named: str | None, *, needs: Capability, kind: str) -> str:
    """`named`, else the one model that can. Raises ModelNotFound and Conflict where it is not one.

    `kind` is what a search on the hub calls such models.
    """
    if named is not None:
        return named
    able = [each.id for each in client.models().data if needs in each.capabilities]
    if not able:
        raise ModelNotFound(
            f"No installed model has the capability {needs}.",
            hint=f"Find one: mlx-gui search --kind {kind}",
        )
    if len(able) > 1:
        raise Conflict(
            f"{len(able)} models can do it: {', '.join(able)}.", hint="Choose one with --model."
        )
    return able[0]
