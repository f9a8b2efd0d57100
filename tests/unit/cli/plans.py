"""A machine of 32 GB with three models in memory, and plans for a fourth."""

from mlx_gui.wire.models import MemoryNeedBody, ModelObject
from mlx_gui.wire.plan import EvictionBody, KeptBody, MemoryAfterBody, PlanBody
from mlx_gui.wire.status import BudgetStatus, LoadedModel, ManagerStatus, MemoryStatus

GB = 1_000_000_000


def need(total_gb: int) -> MemoryNeedBody:
    return MemoryNeedBody(
        weights_bytes=(total_gb - 1) * GB,
        kv_bytes=GB // 2,
        prefix_bytes=GB // 4,
        overhead_bytes=GB // 4,
        load_peak_bytes=(total_gb + 1) * GB,
        total_bytes=total_gb * GB,
    )


def loaded(model_id: str, total_gb: int) -> LoadedModel:
    return LoadedModel(
        id=model_id,
        state="ready",
        pid=7,
        memory=None,
        slots=4,
        active=0,
        queued=0,
        loads=1,
        last_used_at=None,
        expires_at=None,
        weight_form="stored",
        context=4096,
        serial_because=None,
        need=need(total_gb),
    )


MEMORY = MemoryStatus(
    total_bytes=32 * GB,
    available_bytes=8 * GB,
    other_apps_bytes=8 * GB,
    budget_bytes=24 * GB,
    used_by_models_bytes=16 * GB,
    pressure="normal",
    segments=[],
    machine_bytes=32 * GB,
    free_bytes=8 * GB,
    budget=BudgetStatus(
        static_bytes=24 * GB, now_bytes=24 * GB, reason="a limit", reserve_bytes=GB, bounds=[]
    ),
    container=None,
)
MANAGER = ManagerStatus(
    loaded_models=[loaded("org/a", 8), loaded("org/b", 4), loaded("org/c", 4)],
    queue=[],
    max_loaded_models=4,
    active_requests=0,
    queued_requests=0,
)
AFTER_EVICTION = PlanBody(
    model="org/new",
    context=4096,
    wanted_context=4096,
    context_because="the model was made for no more",
    needs=need(12),
    measured=True,
    fits="after_eviction",
    reason="It needs 12.0 GB, and 8.0 GB of 24.0 GB are free.",
    evict=[
        EvictionBody(
            id="org/b", name="b", frees_bytes=4 * GB, idle_ms=5000, reason="unused for 5.0 s"
        )
    ],
    keep=[
        KeptBody(id="org/a", name="a", reason="it is pinned"),
        KeptBody(id="org/c", name="c", reason="it answers 2 requests"),
    ],
    budget_bytes=24 * GB,
    after=MemoryAfterBody(used_bytes=24 * GB, free_bytes=0),
    max_context_that_fits=4096,
    warnings=["Other programs use 8.0 GB."],
    plan_token="token-1",
)
FITS = AFTER_EVICTION.model_copy(
    update={
        "fits": "yes",
        "reason": "It needs 4.0 GB, and 8.0 GB of 24.0 GB are free.",
        "needs": need(4),
        "measured": False,
        "evict": [],
        "keep": [KeptBody(id=f"org/{name}", name=name, reason="there is room") for name in "abc"],
        "after": MemoryAfterBody(used_bytes=20 * GB, free_bytes=4 * GB),
        "context": 2048,
        "max_context_that_fits": 3000,
        "warnings": [],
    }
)
TOO_LARGE = FITS.model_copy(
    update={
        "fits": "no",
        "reason": "It needs 48.0 GB, models may use 24.0 GB on this machine.",
        "needs": need(48),
        "after": MemoryAfterBody(used_bytes=64 * GB, free_bytes=-40 * GB),
        "max_context_that_fits": 0,
    }
)
TINY = ModelObject(
    id="org/tiny",
    created=0,
    created_at="2025-03-01T12:00:00Z",
    owned_by="org",
    display_name="tiny",
    kind="text",
    model_type="llama",
    capabilities=["chat"],
    context_length=8192,
    parameter_count=134_515_008,
    quantization="4-bit",
    disk_bytes=75_700_000,
    path="/models/org/tiny",
    supported=True,
    problem=None,
    state="not_loaded",
)
