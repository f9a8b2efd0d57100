"""Plans, decisions, and loads and unloads as they are wanted, over a scripted run loop."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from mlx_gui.core.errors import Conflict, InvalidRequest, ModelUnsupported, PlanChanged
from mlx_gui.store.database import Store
from mlx_gui.wire.models import LoadResult, UnloadAllResult, UnloadResult
from mlx_gui.wire.plan import DecisionList, PlanBody, PlanChangedEnvelope
from tests.support.waiting import wait_until
from tests.unit.api.parts import MODEL, Shelf, application, config, services, serving
from tests.unit.api.residency import LOADED, NEED, PLAN, ScriptedRunLoop, busy, decision

TWO, THREE = (msgspec.structs.replace(MODEL, id=f"org/{name}") for name in ("two", "three"))
BROKEN = msgspec.structs.replace(MODEL, id="org/broken", problem="Its weights are missing.")
ONE = "/v1/models/org/one"


class Examined:
    """A device that is known already."""

    facts = None

    async def ensure(self) -> None:
        return None


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(MODEL, TWO, THREE, BROKEN)


@pytest.fixture
def server(tmp_path: Path, shelf: Shelf) -> Iterator[tuple[httpx.Client, ScriptedRunLoop]]:
    store = Store.open(tmp_path)
    parts = services(config(tmp_path, max_loaded_models=2), shelf=shelf, store=store)
    run_loop = ScriptedRunLoop(parts.bus)
    loop, device = cast(Any, run_loop), cast(Any, Examined())
    check = replace(parts.models.settings_check, run_loop=loop, device=device)
    scripted = replace(
        parts,
        models=replace(parts.models, run_loop=loop, settings_check=check),
        machine=replace(parts.machine, device=device),
    )
    with serving(application(scripted)) as address, httpx.Client(base_url=address) as client:
        yield client, run_loop
    store.close()


@pytest.fixture
def client(server: tuple[httpx.Client, ScriptedRunLoop]) -> httpx.Client:
    return server[0]


@pytest.fixture
def run_loop(server: tuple[httpx.Client, ScriptedRunLoop]) -> ScriptedRunLoop:
    return server[1]


def test_a_plan_says_what_a_load_would_need_evict_and_leave(client: httpx.Client) -> None:
    answer = client.post(f"{ONE}/plan")

    assert answer.status_code == 200
    assert answer.json() == {
        "model": "org/one",
        "context": 4096,
        "wanted_context": 8192,
        "context_because": "set for the server",
        "needs": {
            "weights_bytes": 600,
            "kv_bytes": 100,
            "prefix_bytes": 25,
            "overhead_bytes": 50,
            "load_peak_bytes": 900,
            "total_bytes": 775,
        },
        "measured": True,
        "fits": "after_eviction",
        "reason": "It needs 775 B, and 500 B are free.",
        "evict": [
            {
                "id": "org/two",
                "name": "two",
                "frees_bytes": 400,
                "idle_ms": 12345.6,
                "reason": "It was used least recently.",
            },
            {
                "id": "org/gone",
                "name": "org/gone",
                "frees_bytes": 100,
                "idle_ms": None,
                "reason": "It has the lowest priority.",
            },
        ],
        "keep": [{"id": "org/three", "name": "three", "reason": "It is pinned."}],
        "budget_bytes": 2000,
        "after": {"used_bytes": 1500, "free_bytes": 500},
        "max_context_that_fits": 6000,
        "warnings": ["The context is shorter than wanted."],
        "plan_token": "token-1",
    }


@pytest.mark.parametrize(
    ("body", "context"),
    [({}, None), ({"context": None}, None), ({"context": 16}, 16), ({"context": 4096}, 4096)],
)
def test_a_plan_is_made_for_the_context_that_is_asked_for(
    client: httpx.Client, run_loop: ScriptedRunLoop, body: dict[str, Any], context: int | None
) -> None:
    assert client.post(f"{ONE}/plan", json=body).status_code == 200
    assert run_loop.asked == [("plan", "org/one", context)]


@pytest.mark.parametrize("action", ["plan", "load"])
@pytest.mark.parametrize(
    ("context", "said"),
    [
        (15, "`context` should be between 16 and 4096 tokens, for which org/one was made, not 15."),
        (0, "not 0."),
        (-1, "not -1."),
        (4097, "between 16 and 4096 tokens, for which org/one was made, not 4097."),
        (10_000_001, "not 10000001."),
        (2**63, "not 9223372036854775808."),
        ("many", '`context` should be a valid integer, not "many".'),
        (1.5, "`context` should be a valid integer, not 1.5."),
        (True, "`context` should be a valid integer, not true."),
        ([], "`context` should be a valid integer, not a list."),
    ],
)
def test_a_context_out_of_bounds_is_refused_with_the_bounds(
    client: httpx.Client, run_loop: ScriptedRunLoop, action: str, context: object, said: str
) -> None:
    answer = client.post(f"{ONE}/{action}", json={"context": context})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "context"
    assert said in answer.json()["error"]["message"]
    assert run_loop.asked == []


@pytest.mark.parametrize("body", ["[]", "5", '"context"', "{", '{"context": NaN}'])
def test_a_plan_of_what_is_no_object_is_refused(client: httpx.Client, body: str) -> None:
    sent = {"content-type": "application/json"}
    assert client.post(f"{ONE}/plan", content=body, headers=sent).status_code == 400


def test_a_plan_of_a_model_that_is_not_there_or_cannot_be_served_is_refused(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    run_loop.refusals["org/broken"] = ModelUnsupported("org/broken cannot be served.")

    missing = client.post("/v1/models/org/none/plan")
    broken = client.post("/v1/models/org/broken/plan")

    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "model_unsupported")


def test_a_model_that_does_not_fit_has_a_plan_too(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    run_loop.plans["org/one"] = msgspec.structs.replace(
        PLAN, fits="no", evict=(), max_context=0, used_after_bytes=2500
    )

    plan = PlanBody.model_validate_json(client.post(f"{ONE}/plan").content)

    assert (plan.fits, plan.max_context_that_fits, plan.after.free_bytes) == ("no", 0, -500)


def test_a_load_passes_on_what_is_wanted(client: httpx.Client, run_loop: ScriptedRunLoop) -> None:
    wanted = {"plan_token": "token-1", "context": 100, "keep_alive_s": 2.5}

    first = LoadResult.model_validate_json(client.post(f"{ONE}/load", json=wanted).content)
    client.post(f"{ONE}/load")
    client.post(f"{ONE}/load", json={})

    assert (first.model.id, first.already_loaded, first.duration_ms) == ("org/one", False, 5.0)
    assert run_loop.asked == [
        ("load", "org/one", 2.5, 100, "token-1"),
        ("load", "org/one", None, None, None),
        ("load", "org/one", None, None, None),
    ]


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"keep_alive_s": -2}, "keep_alive_s", "between -1 and 315360000, not -2."),
        ({"keep_alive_s": 4e8}, "keep_alive_s", "between -1 and 315360000, not 4e+08."),
        ({"keep_alive_s": "5m"}, "keep_alive_s", "a valid number"),
        ({"keep_alive_s": True}, "keep_alive_s", "a valid number"),
        ({"plan_token": 5}, "plan_token", "a valid string, not 5."),
    ],
)
def test_a_load_refuses_what_is_out_of_bounds(
    client: httpx.Client, run_loop: ScriptedRunLoop, body: dict[str, Any], param: str, said: str
) -> None:
    answer = client.post(f"{ONE}/load", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert said in answer.json()["error"]["message"]
    assert run_loop.asked == []


@pytest.mark.parametrize("query", ["", "?wait=false"])
def test_a_stale_plan_is_answered_with_the_new_one(
    client: httpx.Client, run_loop: ScriptedRunLoop, query: str
) -> None:
    new = msgspec.structs.replace(PLAN, fits="yes", evict=(), token="token-2")
    run_loop.refusals["org/one"] = PlanChanged("Now it fits.", hint="Look again.", plan=new)

    answer = client.post(f"{ONE}/load{query}", json={"plan_token": "token-1"})

    assert answer.status_code == 409
    assert answer.headers["x-should-retry"] == "false"
    changed = PlanChangedEnvelope.model_validate_json(answer.content)
    assert (changed.error.code, changed.error.message) == ("plan_changed", "Now it fits.")
    assert changed.error.request_id == answer.headers["x-request-id"]
    assert (changed.plan.fits, changed.plan.evict) == ("yes", [])
    assert changed.plan.plan_token == "token-2"


@pytest.mark.parametrize("query", ["", "?wait=false"])
@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (InvalidRequest("It is of another model.", param="plan_token"), 400),
        (Conflict("It is of an earlier run."), 409),
    ],
)
def test_a_foreign_token_is_refused_with_the_sentence_that_says_which(
    client: httpx.Client,
    run_loop: ScriptedRunLoop,
    query: str,
    refusal: InvalidRequest,
    status: int,
) -> None:
    run_loop.refusals["org/one"] = refusal

    answer = client.post(f"{ONE}/load{query}", json={"plan_token": "x"})

    assert (answer.status_code, answer.json()["error"]["message"]) == (status, refusal.message)
    assert "plan" not in answer.json()


@pytest.mark.parametrize("body", [{}, {"plan_token": "token-1"}])
def test_a_load_that_nobody_waits_for_is_accepted(
    client: httpx.Client, run_loop: ScriptedRunLoop, body: dict[str, Any]
) -> None:
    answer = client.post(f"{ONE}/load?wait=false", json=body)

    assert (answer.status_code, answer.json()) == (202, {"status": "loading"})


def test_an_unload_says_what_came_back(client: httpx.Client, run_loop: ScriptedRunLoop) -> None:
    gone = UnloadResult.model_validate_json(client.post(f"{ONE}/unload").content)

    assert (gone.was_loaded, gone.freed_bytes) == (True, 300)
    assert gone.returned is not None
    assert gone.returned.model_dump() == {
        "held_bytes": 300,
        "available_before_bytes": 1000,
        "available_after_bytes": 1290,
    }


@pytest.mark.parametrize(
    ("query", "force", "when_idle"),
    [
        ("", False, False),
        ("?when=now", False, False),
        ("?when=idle", False, True),
        ("?force=true", True, False),
        ("?force=true&when=now", True, False),
    ],
)
def test_an_unload_happens_now_or_when_the_model_is_idle(
    client: httpx.Client, run_loop: ScriptedRunLoop, query: str, force: bool, when_idle: bool
) -> None:
    run_loop.residents["org/one"] = LOADED

    assert client.post(f"{ONE}/unload{query}").status_code == 200
    assert client.post(f"/v1/models/unload-all{query}").status_code == 200

    assert run_loop.asked == [("unload", "org/one", force, when_idle)] * 2


def test_a_model_that_is_not_installed_any_more_can_still_be_unloaded(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    path = "/v1/models/org/gone/unload"
    assert client.post(path).status_code == 404

    run_loop.residents["org/gone"] = LOADED

    assert client.post(path).status_code == 200
    assert client.post("/v1/models/unload-all").status_code == 200
    assert run_loop.asked == [("unload", "org/gone", False, False)] * 2


@pytest.mark.parametrize("path", [f"{ONE}/unload", "/v1/models/unload-all"])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("when=later", "`when` should be 'now' or 'idle', not \"later\"."),
        ("when=idle&force=true", "`force` and `when=idle` exclude each other."),
    ],
)
def test_an_unload_at_no_sensible_time_is_refused(
    client: httpx.Client, run_loop: ScriptedRunLoop, path: str, query: str, said: str
) -> None:
    answer = client.post(f"{path}?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == said
    assert run_loop.asked == []


def test_all_models_are_unloaded_and_those_at_work_are_named(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    for model_id in ("org/one", "org/two"):
        run_loop.residents[model_id] = replace(LOADED, model_id=model_id)
    run_loop.residents["org/three"] = replace(
        LOADED, model_id="org/three", state="not_loaded", spec=None, pid=None
    )
    run_loop.refusals["org/two"] = busy("org/two")

    result = UnloadAllResult.model_validate_json(client.post("/v1/models/unload-all").content)

    assert [each.model.id for each in result.models] == ["org/one"]
    assert [each.model_dump() for each in result.busy] == [
        {"id": "org/two", "reason": "org/two has 2 requests under way."}
    ]
    assert result.freed_bytes == 300


def test_a_load_that_nobody_waits_for_is_no_part_of_the_request_that_began_it(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    run_loop.loaded = threading.Event()
    with capture_logs() as lines:
        assert client.post(f"{ONE}/load?wait=false").status_code == 202
        wait_until(lambda: bool(lines), what="the request's log line")
        told = list(lines)
        run_loop.loaded.set()
    assert [(each["event"], each["status"]) for each in told] == [("request_finished", 202)]


def test_decisions_come_as_the_policy_tells_them(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    run_loop.noted = (decision("org/two", at=2.5, cause="org/one"), decision("org/one", at=1.0))

    everything = DecisionList.model_validate_json(client.get("/v1/manager/decisions").content)
    newest = client.get("/v1/manager/decisions?limit=1").json()["decisions"]
    of_one = client.get("/v1/manager/decisions?model=org/one").json()["decisions"]

    assert everything.decisions[0].model_dump() == {
        "at": "1970-01-01T00:00:02.500Z",
        "action": "evict",
        "model": "org/two",
        "cause": "org/one",
        "reason": "There was no room beside org/one.",
    }
    assert [each["model"] for each in newest] == ["org/two"]
    assert [each["model"] for each in of_one] == ["org/one"]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", ""])
def test_decisions_are_asked_for_within_bounds(client: httpx.Client, limit: str) -> None:
    answer = client.get(f"/v1/manager/decisions?limit={limit}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "limit")


def test_decisions_about_an_unknown_model_are_not_found(client: httpx.Client) -> None:
    assert client.get("/v1/manager/decisions?model=org/none").status_code == 404


def pin(client: httpx.Client, name: str, **changes: Any) -> httpx.Response:
    settings = {"pinned": True, **changes}
    return client.patch(f"/v1/models/org/{name}/settings", json={"settings": settings})


def test_a_pin_within_the_budget_is_kept(client: httpx.Client) -> None:
    settings = pin(client, "one", priority=10, preload=True).json()["settings"]

    assert settings["pinned"]["value"] is True
    assert settings["pinned"]["reload"] is settings["priority"]["reload"] is False
    assert (settings["priority"]["value"], settings["preload"]["value"]) == (10, True)


def test_a_pin_beyond_the_budget_is_refused_with_the_numbers(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    large = msgspec.structs.replace(NEED, weights_bytes=1_500)
    run_loop.plans["org/two"] = msgspec.structs.replace(PLAN, model_id="org/two", need=large)
    assert pin(client, "one").status_code == 200

    answer = pin(client, "two", priority=3)

    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["message"] == (
        "org/two cannot be pinned. It needs 2 kB, the pinned org/one 775 B; models may use 2 kB."
    )
    assert (error["details"]["needed_bytes"], error["details"]["budget_bytes"]) == (2450, 2000)
    assert error["param"] == "settings.pinned"
    shown = client.get("/v1/models/org/two/settings").json()["settings"]
    assert (shown["pinned"]["value"], shown["priority"]["value"]) == (False, 0)


@pytest.mark.parametrize("setting", ["context_tokens", "slots", "kv_bits"])
def test_a_pin_is_judged_with_the_settings_of_the_same_change_and_again_when_it_grows(
    client: httpx.Client, run_loop: ScriptedRunLoop, setting: str
) -> None:
    few, some, many = (0, 4, 8) if setting == "kv_bits" else (100, 120, 200)
    more_bytes = {few: 100, some: 200, many: 2000}
    run_loop.need_bytes = lambda settings: more_bytes[getattr(settings, setting)]
    assert pin(client, "one", **{setting: many}).status_code == 409
    assert pin(client, "one", **{setting: few}).status_code == 200

    large = msgspec.structs.replace(NEED, weights_bytes=2_500)
    run_loop.plans["org/one"] = msgspec.structs.replace(PLAN, model_id="org/one", need=large)

    grown = client.patch(f"{ONE}/settings", json={"settings": {setting: some}})
    same = client.patch(f"{ONE}/settings", json={"settings": {"temperature": 0.5}})
    cut = client.patch(f"{ONE}/settings", json={"settings": {setting: few}})

    assert (grown.status_code, same.status_code, cut.status_code) == (409, 200, 200)
    assert cut.json()["settings"][setting]["value"] == few


def test_a_pinned_model_with_an_adapter_is_judged_by_changes_to_its_base(
    client: httpx.Client, run_loop: ScriptedRunLoop, shelf: Shelf
) -> None:
    tuned = msgspec.structs.replace(MODEL, id="org/one+tune", base="org/one", adapter="/tune")
    shelf.present.append(tuned)
    assert pin(client, "one+tune").status_code == 200
    run_loop.need_bytes = lambda settings: settings.slots * 100

    answer = client.patch(f"{ONE}/settings", json={"settings": {"slots": 100}})

    assert answer.status_code == 409
    assert answer.json()["error"]["message"].startswith("org/one+tune cannot be pinned.")


def test_of_pins_that_come_at_the_same_time_no_more_are_made_than_fit(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    large = msgspec.structs.replace(NEED, weights_bytes=1_500)
    for name in ("one", "two"):
        run_loop.plans[f"org/{name}"] = msgspec.structs.replace(
            PLAN, model_id=f"org/{name}", need=large
        )
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(lambda name: pin(client, name), ("one", "two")))

    assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_no_more_models_are_pinned_than_may_be_in_memory(client: httpx.Client) -> None:
    assert [pin(client, name).status_code for name in ("one", "two", "two")] == [200] * 3

    answer = pin(client, "three")

    assert answer.status_code == 409
    assert "2 models may be in memory together" in answer.json()["error"]["message"]


def test_settings_of_the_server_leave_room_for_what_is_pinned(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    def changed(**settings: Any) -> httpx.Response:
        return client.patch("/v1/settings", json={"settings": settings})

    assert [pin(client, name).status_code for name in ("one", "two")] == [200, 200]
    run_loop.need_bytes = lambda settings: settings.slots * 10

    grown, fine = changed(slots=150, max_queue=9), changed(slots=20)

    assert (grown.status_code, fine.status_code) == (409, 200)
    error = grown.json()["error"]
    assert error["message"].startswith("With these settings the pinned org/one, org/two need")
    assert "mlx-gui settings org/one pinned=off" in error["hint"]
    held = client.get("/v1/settings").json()["settings"]
    assert (held["slots"]["value"], held["max_queue"]["value"]) == (20, 256)


def test_unpinning_makes_room_for_another_pin(client: httpx.Client) -> None:
    assert [pin(client, name).status_code for name in ("one", "two")] == [200, 200]
    assert pin(client, "one", pinned=None).status_code == 200
    assert pin(client, "three").status_code == 200


def test_a_pinned_model_that_cannot_be_served_any_more_holds_nothing(
    client: httpx.Client, run_loop: ScriptedRunLoop
) -> None:
    assert [pin(client, name).status_code for name in ("one", "two")] == [200, 200]
    run_loop.refusals["org/one"] = ModelUnsupported("Its draft model is gone.")

    assert pin(client, "three").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priority", 11),
        ("priority", -11),
        ("priority", 1.0),
        ("priority", "high"),
        ("priority", True),
        ("pinned", "yes"),
        ("pinned", 1),
        ("preload", "on"),
    ],
)
def test_settings_of_the_wrong_type_or_out_of_bounds_are_refused(
    client: httpx.Client, name: str, value: object
) -> None:
    answer = client.patch(f"{ONE}/settings", json={"settings": {name: value}})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, f"settings.{name}")
