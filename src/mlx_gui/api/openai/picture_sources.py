"""Where OpenAI's parts have their pictures: as a text, or as an object with `url` and `detail`."""

from typing import Any, cast

from mlx_gui.api.pictures import PictureSource
from mlx_gui.core.errors import InvalidRequest


def source_of(image: Any, detail: Any, *, where: str) -> PictureSource:
    """The picture of the field `where`. Raises InvalidRequest for what is neither."""
    if isinstance(image, dict):
        fields = cast(dict[str, Any], image)
        image, detail, where = fields.get("url"), fields.get("detail", detail), f"{where}.url"
    if not isinstance(image, str):
        raise InvalidRequest(
            f"`{where}` is required, as a string.",
            hint="Send the picture as a data URL (data:image/png;base64,…) there; files that a "
            "`file_id` names are not kept here.",
            param=where,
        )
    if detail is not None and not isinstance(detail, str):
        raise InvalidRequest(
            f"The `detail` of `{where}` should be a string.",
            hint="It is auto, low or high.",
            param=where,
        )
    return PictureSource(image, where, detail=detail)
