"""Chat templates as JSON."""

from mlx_gui.catalog.model_texts import StoredTemplate
from mlx_gui.core.model import Model
from mlx_gui.wire.model_texts import ModelTemplateBody


def template_body(
    model: Model, wanted: str | None, stored: StoredTemplate | None
) -> ModelTemplateBody:
    """The template that the settings have, else the stored one, else none."""
    own = None if stored is None else stored.text
    if wanted is not None:
        return ModelTemplateBody(
            model=model.id, template=wanted, source="setting", file=None, own=own
        )
    if stored is None:
        return ModelTemplateBody(model=model.id, template=None, source=None, file=None, own=None)
    return ModelTemplateBody(model=model.id, template=own, source="file", file=stored.file, own=own)
