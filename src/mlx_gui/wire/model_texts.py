"""The JSON of what a model's folder has for people to read."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlx_gui.core.setting_row import LONGEST_TEXT


class ModelCardBody(BaseModel):
    """What strangers have written of an installed model: text, to be shown as such.

    `card` is its README.md, in Markdown, and `license_text` its LICENSE, each as far as its first
    256 and 128 KB. Null is what does not lie in its folder, or cannot be read.
    """

    model: str
    card: str | None
    license_text: str | None


class ModelTemplateBody(BaseModel):
    """The chat template that makes a prompt of a conversation, as Jinja source.

    `source` says whether it is the model's own, which stands in its `file`, or that of the model's
    settings. `own` is the model's own in either case. All are null for a model without one.
    """

    model: str
    template: str | None
    source: Literal["file", "setting"] | None
    file: str | None
    own: str | None


class TemplateTry(BaseModel):
    """A chat template that is to be tried, as Jinja source."""

    model_config = ConfigDict(strict=True, extra="forbid")

    template: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class TriedTemplate(BaseModel):
    """What a chat template made: the `prompt` of a short conversation, the same each time."""

    model: str
    prompt: str
