"""What became of a chat template that was tried."""

import msgspec


class TemplateTrial(msgspec.Struct, frozen=True):
    """The `prompt` that it made of a short conversation, or the `reason` why it made none.

    `line` is the line of the template to which the reason belongs, where that is known.
    """

    prompt: str | None = None
    reason: str | None = None
    line: int | None = None
