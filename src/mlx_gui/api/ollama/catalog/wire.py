"""The JSON of `/api/delete` and `/api/copy`."""

from mlx_gui.api.fields import NonEmpty, Strict
from mlx_gui.api.ollama.models.wire import OllamaShowRequest


class OllamaDeleteRequest(OllamaShowRequest):
    """Which model is to go; `name` is the older word for `model`."""


class OllamaCopyRequest(Strict):
    """The model `source` is to be called `destination` too."""

    source: NonEmpty
    destination: NonEmpty
