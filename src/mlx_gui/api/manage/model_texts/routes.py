"""`/v1/models/{name}/card` and `/template`: what a model's folder has for people to read.

And what a chat template in place of its own would make.
"""

import asyncio

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.model_texts.translate import template_body
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.catalog.model_texts import card_of, licence_text_of, stored_template
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.model_texts import (
    ModelCardBody,
    ModelTemplateBody,
    TemplateTry,
    TriedTemplate,
)

router = APIRouter(
    route_class=StrictJsonRoute,
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
    """The one that is used: that of its settings, else its own, which is told in either case."""
    model = await services.models.library.find(name)
    wanted = services.models.settings.of(model).chat_template
    return template_body(model, wanted, await asyncio.to_thread(stored_template, model))


@router.post(
    "/v1/models/{name:path}/template/try",
    operation_id="try_model_template",
    summary="Try a chat template",
    dependencies=[requires("models:manage")],
)
async def try_model_template(
    name: str, body: TemplateTry, services: InjectedServices
) -> TriedTemplate:
    """What it makes of a short conversation, with the model's special tokens and the template
    arguments of its settings. Nothing is changed, and the model is not loaded."""
    model = await services.models.library.find(name)
    arguments = services.models.settings.of(model).template_arguments
    prompt = await services.models.settings_check.templates.prompt(
        model, body.template, arguments, param="template"
    )
    return TriedTemplate(model=model.id, prompt=prompt)
