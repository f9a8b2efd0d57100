"""The JSON of `/api/tags`, `/api/ps`, `/api/show` and `/api/version`."""

from typing import Any, cast

from pydantic import AliasChoices, BaseModel, Field, model_validator

from mlx_gui.api.fields import NonEmpty, Strict


class OllamaModelDetails(BaseModel):
    """`family` is the architecture that config.json names; `format` is always `safetensors`."""

    parent_model: str = ""
    format: str = "safetensors"
    family: str
    families: list[str]
    parameter_size: str
    quantization_level: str


class OllamaModel(BaseModel):
    """An installed model. `digest` tells versions of it apart; it is not of its contents."""

    name: str
    model: str
    modified_at: str
    size: int
    digest: str
    details: OllamaModelDetails


class OllamaModelList(BaseModel):
    """All installed models that can be served."""

    models: list[OllamaModel]


class OllamaRunningModel(BaseModel):
    """A model in memory; `size_vram` of its `size` bytes lie in a GPU's memory."""

    name: str
    model: str
    size: int
    digest: str
    details: OllamaModelDetails
    expires_at: str
    size_vram: int
    context_length: int


class OllamaRunningModels(BaseModel):
    """All models in memory, or on their way there."""

    models: list[OllamaRunningModel]


class OllamaShowRequest(Strict):
    """Which model; `name` is the older word for `model`."""

    model: NonEmpty = Field(validation_alias=AliasChoices("model", "name"))

    @model_validator(mode="before")
    @classmethod
    def _without_blank(cls, body: Any) -> Any:
        """Ollama's own command line fills `name` and sends `model` empty."""
        if not isinstance(body, dict):
            return body
        sent = cast(dict[str, Any], body)
        return {"model": sent["name"]} if sent.get("model") == "" and sent.get("name") else sent


class OllamaModelCard(BaseModel):
    """What is known of one model. `template` is the chat template, in Jinja.

    `license` is the text of its licence, or its name where the folder has no text.
    """

    modelfile: str = ""
    parameters: str = ""
    template: str
    license: str = ""
    details: OllamaModelDetails
    model_info: dict[str, str | int]
    capabilities: list[str]
    modified_at: str


class OllamaVersion(BaseModel):
    """`version` is the version of Ollama whose API this is, `mlx_gui` our own."""

    version: str
    mlx_gui: str
