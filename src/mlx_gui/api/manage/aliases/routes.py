"""`/v1/aliases`: other names of models."""

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.services import Services
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.alias import Alias
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.wire.aliases import AliasBody, AliasList, AliasRequest, RemovedAlias
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Models"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)
_MANAGE = [requires("models:manage")]
_READ = [requires("models:read")]


@router.get(
    "/v1/aliases", operation_id="list_aliases", summary="List the aliases", dependencies=_READ
)
async def list_aliases(services: InjectedServices) -> AliasList:
    """Every alias with its model."""
    await services.models.library.listed()
    return AliasList(data=[_body(services, alias) for alias in services.models.aliases.all()])


@router.get(
    "/v1/aliases/{alias:path}",
    operation_id="get_alias",
    summary="Show one alias",
    dependencies=_READ,
)
async def get_alias(alias: str, services: InjectedServices) -> AliasBody:
    """Which model it stands for."""
    await services.models.library.listed()
    return _body(services, services.models.aliases.get(alias))


@router.put(
    "/v1/aliases/{alias:path}",
    operation_id="put_alias",
    summary="Give a model another name",
    dependencies=_MANAGE,
)
async def put_alias(alias: str, body: AliasRequest, services: InjectedServices) -> AliasBody:
    """The alias, in the place of an earlier one. The id of an installed model cannot be one."""
    library = services.models.library
    model = await library.find(body.model)
    library.refuse_id(alias)
    return _body(services, await services.models.aliases.put(alias, model.id))


@router.delete(
    "/v1/aliases/{alias:path}",
    operation_id="remove_alias",
    summary="Remove an alias",
    dependencies=_MANAGE,
)
async def remove_alias(alias: str, services: InjectedServices) -> RemovedAlias:
    """The model stays."""
    await services.models.aliases.remove(alias)
    return RemovedAlias(id=alias)


def _body(services: Services, alias: Alias) -> AliasBody:
    try:
        installed = services.models.library.resolve(alias.model_id).id == alias.model_id
    except MlxGuiError:
        installed = False
    return AliasBody(
        id=alias.name, model=alias.model_id, created_at=alias.created_at, installed=installed
    )
