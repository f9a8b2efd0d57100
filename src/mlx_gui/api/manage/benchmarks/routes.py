"""`/v1/models/{name}/benchmark`: how fast a model reads and writes on this machine."""

from functools import partial

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.benchmarks.translate import benchmark_body
from mlx_gui.api.manage.jobs.translate import job_body
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.control.jobs.benchmark import MeasureSpeed
from mlx_gui.core.benchmark import checked_trials
from mlx_gui.core.capabilities import check_capability
from mlx_gui.store.benchmarks import benchmarks_of
from mlx_gui.wire.benchmarks import BenchmarkList, BenchmarkRequest
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.jobs import JobBody

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Models"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/models/{name:path}/benchmark",
    operation_id="benchmark_model",
    summary="Measure how fast a model reads and writes",
    status_code=202,
    dependencies=[requires("models:manage")],
)
async def benchmark_model(
    name: str, services: InjectedServices, body: BenchmarkRequest | None = None
) -> JobBody:
    """The job that loads the model if need be, measures and keeps the figures.

    Other requests are answered meanwhile, and slow it down.
    """
    asked = body or BenchmarkRequest()
    trials = checked_trials(
        prompts_tokens=asked.prompt_tokens,
        answer_tokens=asked.answer_tokens,
        crowds=asked.at_once,
    )
    model = await services.models.library.find(name)
    check_capability(model, "completion")
    return job_body(await services.jobs.start(MeasureSpeed(model.id, trials)))


@router.get(
    "/v1/models/{name:path}/benchmarks",
    operation_id="list_model_benchmarks",
    summary="Show how fast a model was",
    dependencies=[requires("models:read")],
)
async def list_model_benchmarks(name: str, services: InjectedServices) -> BenchmarkList:
    """What was measured of it, also by earlier versions."""
    model = await services.models.library.find(name)
    kept = await services.store.read(partial(benchmarks_of, model=model.id))
    return BenchmarkList(benchmarks=[benchmark_body(each) for each in kept])
