"""`/v1/models/{name}/card` and `/template`: what a model's folder has for people to read."""

import asyncio

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.model_texts.translate import template_body
from mlx_gui.catalog.model_texts import card_of, licence_text_of, stored_template
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.model_texts import ModelCardBody, ModelTemplateBody

router = APIRouter(
    tags=["Models"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get(
    "/v1/models/{name:path}/card",
    operation_id="get_model_card",
    summary="Show the card and the licence of an installed model",
)
async def get_model_card(name: str, services: InjectedServices) -> ModelCardBody:
    """Both as they lie in its folder; of a model with an adapter, in the adapter's."""
    model = await services.models.library.find(name)
    card, license_text = await asyncio.gather(
        asyncio.to_thread(card_of, model), asyncio.to_thread(licence_text_of, model)
    )
    return ModelCardBody(model=model.id, card=card, license_text=license_text)


@router.get(
    "/v1/models/{name:path}/template",
    operation_id="get_model_template",
    summary="Show the chat template of a model",
)
async def get_model_template(name: str, services: InjectedServices) -> ModelTemplateBody:
    """The one that is used: that of its settings, else its own."""
    model = await services.models.library.find(name)
    wanted = services.models.settings.of(model).chat_template
    stored = None if wanted is not None else await asyncio.to_thread(stored_template, model)
    return template_body(model, wanted, stored)
