"""A server as a tray may know it."""

from typing import Any

from mlx_gui.desktop.menu_model import NOTICES
from mlx_gui.desktop.view import View
from mlx_gui.server_settings import ROWS
from mlx_gui.wire.downloads import DownloadBody
from mlx_gui.wire.models import ErrorBody, MemoryUseBody, ModelObject
from mlx_gui.wire.notices import NoticeBody
from mlx_gui.wire.server_settings import ServerSettingBody, ServerSettingsBody
from mlx_gui.wire.status import BudgetStatus, LoadedModel, ManagerStatus, MemoryStatus

ADDRESS = "http://127.0.0.1:8000"
MODEL = ModelObject(
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
USE = MemoryUseBody(
    weights_bytes=1, kv_bytes=2, prefix_bytes=0, other_bytes=3, total_bytes=412_000_000
)
DOWNLOAD = DownloadBody(
    id="job-1",
    model_id="org/large",
    revision="0" * 40,
    requested_revision="main",
    state="downloading",
    bytes_done=999,
    bytes_total=1000,
    bytes_per_s=10,
    eta_s=60.0,
    files_done=0,
    files_total=2,
    current_file=None,
    note=None,
    error=None,
    retry_at=None,
    turn=1,
    created_at="2025-03-01T12:00:00Z",
    updated_at="2025-03-01T12:00:00Z",
)
FAILURE = ErrorBody(code="load_failed", message="Its weights are damaged.")


EVICTION = NoticeBody(
    id=3,
    seq=5,
    at="2025-03-01T12:00:00Z",
    kind="evicted",
    level="info",
    message="org/tiny was unloaded to make room for org/large: idle for 12 min.",
    subject="org/large",
    models=["org/tiny"],
    client=None,
    reason="idle for 12 min",
    hint=None,
    job=None,
    count=1,
    undo="possible",
)


def eviction(**changes: Any) -> NoticeBody:
    return EVICTION.model_copy(update=changes)


def model(**changes: Any) -> ModelObject:
    return MODEL.model_copy(update=changes)


def download(**changes: Any) -> DownloadBody:
    return DOWNLOAD.model_copy(update=changes)


def memory(pressure: str = "normal") -> MemoryStatus:
    budget = BudgetStatus(
        static_bytes=8, now_bytes=8, reason="so", reserve_bytes=2_000_000_000, bounds=[]
    )
    return MemoryStatus.model_validate(
        {
            "total_bytes": 16_000_000_000,
            "available_bytes": 8_000_000_000,
            "other_apps_bytes": 0,
            "budget_bytes": 12_000_000_000,
            "used_by_models_bytes": 412_000_000,
            "pressure": pressure,
            "segments": [],
            "machine_bytes": 16_000_000_000,
            "free_bytes": 1,
            "budget": budget,
            "container": None,
        }
    )


def manager(*pinned: str) -> ManagerStatus:
    loaded = [
        LoadedModel(
            id=each,
            state="ready",
            pid=1,
            memory=None,
            slots=1,
            active=0,
            queued=0,
            loads=1,
            last_used_at=None,
            expires_at=None,
            weight_form=None,
            context=None,
            serial_because=None,
            pinned=True,
        )
        for each in pinned
    ]
    return ManagerStatus(
        loaded_models=loaded, queue=[], max_loaded_models=3, active_requests=0, queued_requests=0
    )


def settings(**values: bool) -> ServerSettingsBody:
    bodies = {
        name: ServerSettingBody(
            value=values.get(name, True),
            default=True,
            source="default",
            restart=False,
            reload=False,
            pending=None,
            changeable=True,
            secret=False,
            type="switch",
            unit="",
            bounds=None,
            choices=[],
            words=[],
            help=ROWS[name].help,
        )
        for name in NOTICES
    }
    return ServerSettingsBody(settings=bodies, restart_pending=False, problems=[])


def running(**known: Any) -> View:
    usual: dict[str, Any] = {"phase": "running", "address": ADDRESS, "settings": settings()}
    return View(**(usual | known))
