"""Model names as Ollama's clients write them."""

from mlx_gui.catalog.library import Library
from mlx_gui.core.errors import ModelNotFound
from mlx_gui.core.model import Model

_DEFAULT_TAG = ":latest"


async def find_model(library: Library, name: str) -> Model:
    """The model called `name`; `name:latest` is `name`, any other tag belongs to the name.

    Raises ModelNotFound, and InvalidRequest for an ambiguous one.
    """
    try:
        return await library.find(name)
    except ModelNotFound:
        if not name.endswith(_DEFAULT_TAG):
            raise
    return await library.find(name.removesuffix(_DEFAULT_TAG))
