"""The JSON of what a model's folder has for people to read."""

from typing import Literal

from pydantic import BaseModel


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
    settings. All are null for a model without one.
    """

    model: str
    template: str | None
    source: Literal["file", "setting"] | None
    file: str | None
