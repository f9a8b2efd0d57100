"""The answer to a load whose plan no longer holds: the usual error, and the new plan beside it."""

import msgspec
from fastapi import FastAPI, Request
from starlette.responses import Response

from mlx_gui.api.errors import ErrorResponses
from mlx_gui.api.manage.plan.translate import plan_body
from mlx_gui.api.model_view import display_names
from mlx_gui.api.services import Services
from mlx_gui.core.errors import PlanChanged


def install_plan_changed(app: FastAPI, services: Services, errors: ErrorResponses) -> None:
    """Answer a PlanChanged by more than the shape that other errors have."""

    async def changed(request: Request, error: Exception) -> Response:
        assert isinstance(error, PlanChanged)
        refusal = errors.response(request.scope, error)
        if error.plan is None:
            return refusal
        plan = plan_body(error.plan, display_names(services.models.library.models()))
        body = msgspec.json.decode(bytes(refusal.body), type=dict[str, msgspec.Raw])
        body["plan"] = msgspec.Raw(plan.model_dump_json().encode())
        del refusal.headers["content-length"]
        return Response(msgspec.json.encode(body), refusal.status_code, dict(refusal.headers))

    app.add_exception_handler(PlanChanged, changed)
