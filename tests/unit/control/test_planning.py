"""From model, settings and machine to what would be resident."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlx_gui.config import resolve
from mlx_gui.control.plans.plan import (
    Footprint,
    Machine,
    Plan,
    find_draft,
    largest_context,
    longest_context,
    plan_load,
)
from mlx_gui.core.device import Backend, DeviceFacts
from mlx_gui.core.errors import ModelNotFound, ModelTooLarge, ModelUnsupported
from mlx_gui.core.generation import Reasoning, Sampling
from mlx_gui.core.model import (
    KVLayout,
    LoadSpec,
    MemoryUse,
    Model,
    ModelFacts,
    TextFacts,
    TextOptions,
)
from mlx_gui.model_settings import resolve_model
from mlx_gui.store.measurements import Measurement
from tests.support.models import changed_facts

GIB = 2**30
USUAL = 8192
FACTS = ModelFacts(
    kind="text",
    model_type="llama",
    capabilities=("chat",),
    parameter_count=100_000_000,
    stored_bytes=200_000_000,
    largest_tensor_parameters=10_000_000,
    own=TextFacts(32_768, KVLayout(20_000, layers=20), vocabulary_size=1000),
    float16_bytes=200_000_000,
)
MODEL = Model("org/one", "/models/org/one", FACTS, None, 0, "2026-01-01T00:00:00+00:00")
CONFIG = resolve(flags={"data_dir": "/nowhere"}, environment={})


def machine(budget_bytes: int = 8 * GIB, backend: Backend = "cpu") -> Machine:
    return Machine(DeviceFacts(backend, "some", 16 * GIB, None, {}, {}), budget_bytes)


def planned(
    where: Machine | None = None, *, model: Model = MODEL, draft: Model | None = None, **own: Any
) -> Plan:
    settings = resolve_model(CONFIG, own)
    return plan_load(model, where or machine(), CONFIG, settings=settings, draft=draft)


def small(**changes: Any) -> Model:
    facts = changed_facts(FACTS, **{"stored_bytes": 10_000_000, **changes})
    return msgspec.structs.replace(MODEL, id="org/small", path="/models/org/small", facts=facts)


def test_what_nobody_set_is_as_the_server_has_it() -> None:
    plan = planned()
    assert (plan.spec.context, plan.spec.text.slots) == (plan.wanted_context, 32)
    options = plan.spec.text
    assert options == TextOptions(
        options.context, 32, options.kv_pool_tokens, options.prefix_cache_bytes
    )
    assert plan.spec.weight_form == "float32"
    assert plan.spec.text.prefix_cache_bytes == plan.need.prefix_bytes == 512 * 2**20


def test_what_is_set_for_the_model_is_in_its_spec() -> None:
    plan = planned(
        context_tokens=1000,
        slots=3,
        temperature=0.5,
        top_k=7,
        chat_template="{{ messages }}",
        template_arguments={"a": 1},
        tool_prompt="refuse",
        truncate=True,
        reasoning="off",
        kv_bits=8,
        prefix_cache_bytes=1000,
    )
    assert (plan.spec.context, plan.spec.text.slots, plan.wanted_context) == (1000, 3, 1000)
    assert plan.spec.text.prefix_cache_bytes == 1000
    assert plan.spec.text == TextOptions(
        context=1000,
        slots=3,
        kv_pool_tokens=1000,
        prefix_cache_bytes=1000,
        kv_bits=8,
        template="{{ messages }}",
        template_arguments={"a": 1},
        tool_prompt="refuse",
        truncate=True,
        sampling=Sampling(temperature=0.5, top_k=7),
        reasoning=Reasoning(enabled=False),
    )


def test_equal_settings_make_equal_specs_and_others_do_not() -> None:
    assert planned(temperature=0.5) == planned(temperature=0.5)
    assert planned(temperature=0.5).spec != planned().spec
    assert planned(keep_alive_s=5).spec == planned().spec


def test_a_context_longer_than_the_models_own_is_cut_to_it() -> None:
    assert planned(context_tokens=100_000).spec.context == 32_768


LONG = msgspec.structs.replace(MODEL, facts=changed_facts(FACTS, context_length=1_000_000))


def test_a_context_that_nobody_set_is_what_an_eighth_of_the_budget_holds() -> None:
    plan = planned(machine(8 * GIB), model=LONG)
    assert USUAL < plan.spec.context == plan.wanted_context < 65_536
    assert plan.spec.context % 256 == 0
    usual = planned(machine(8 * GIB), model=LONG, context_tokens=USUAL, slots=1)
    alone = planned(machine(8 * GIB), model=LONG, slots=1)
    longer_bytes = usual.need.kv_bytes + alone.need.total_bytes - usual.need.total_bytes
    assert longer_bytes - alone.need.prefix_bytes + usual.need.prefix_bytes <= GIB
    assert plan.auto
    assert plan.context_because == "a longer one would take over an eighth of the budget"
    assert not planned(model=LONG, context_tokens=4096).auto


@pytest.mark.parametrize("slots", [1, 4, 32])
@pytest.mark.parametrize("budget", [1, 2, 4, 8, 16, 64, 512])
def test_a_context_that_nobody_set_costs_no_more_than_the_pool_would_take_anyway(
    budget: int, slots: int
) -> None:
    for each in (MODEL, LONG):
        alone = planned(machine(budget * GIB), model=each, slots=slots, context_tokens=USUAL)
        plan = planned(machine(budget * GIB), model=each, slots=slots)
        assert plan.spec.context >= alone.spec.context, "never less than it was"
        assert plan.spec.weight_form == alone.spec.weight_form
        most_bytes = max(alone.need.kv_bytes, budget * GIB // 8 + 256 * 40_000)
        assert plan.need.kv_bytes <= most_bytes
        assert plan.need.total_bytes <= max(budget * GIB, alone.need.total_bytes)


@pytest.mark.parametrize(
    ("context_length", "context", "because"),
    [
        (4096, 4096, "the model was made for no more"),
        (32_768, 32_768, "the model was made for no more"),
        (65_536, 65_536, "the model was made for no more"),
        (1_000_000, 65_536, "more than 65,536 tokens are not taken unasked"),
        (None, 8192, "the model does not say what it was made for"),
    ],
)
def test_a_context_that_nobody_set_is_bounded_by_the_model_and_by_what_is_usual(
    context_length: int | None, context: int, because: str
) -> None:
    facts = changed_facts(FACTS, context_length=context_length)
    model = msgspec.structs.replace(MODEL, facts=facts)
    plan = planned(machine(512 * GIB), model=model)
    assert (plan.spec.context, plan.context_because) == (context, because)
    assert longest_context(model, resolve_model(CONFIG, {})) == context
    assert longest_context(model, resolve_model(CONFIG, {"context_tokens": 2048})) == 2048


def test_a_plan_says_who_has_set_its_context() -> None:
    assert planned(context_tokens=1024).context_because == "set for the model"
    assert planned(context_tokens="auto").auto
    server = resolve(flags={"data_dir": "/nowhere", "max_context_tokens": "1024"}, environment={})
    settings = resolve_model(server, {})
    plan = plan_load(MODEL, machine(), server, settings=settings)
    assert (plan.spec.context, plan.context_because) == (1024, "set for the server")
    asked = plan_load(MODEL, machine(), server, settings=settings, context_tokens=512)
    assert (asked.spec.context, asked.context_because) == (512, "asked for this load")
    assert not asked.auto
    own = plan_load(
        MODEL, machine(), server, settings=resolve_model(server, {"context_tokens": "auto"})
    )
    assert (own.spec.context, own.auto) == (planned().spec.context, True)


@pytest.mark.parametrize(("spare_bytes", "form"), [(0, "float32"), (-1, "stored")])
def test_the_weight_form_is_the_fastest_whose_load_fits(spare_bytes: int, form: str) -> None:
    bare = {"slots": 1, "prefix_cache_bytes": 0, "context_tokens": USUAL}
    need = planned(**bare).need
    budget_bytes = max(need.load_peak_bytes, need.total_bytes) + spare_bytes
    assert planned(machine(budget_bytes), **bare).spec.weight_form == form


def test_the_context_is_what_fits_into_the_budget() -> None:
    bare = {"slots": 1, "prefix_cache_bytes": 0, "context_tokens": USUAL}
    roomy = planned(machine(backend="metal"), **bare)
    budget_bytes = roomy.need.total_bytes - roomy.need.kv_bytes // 2
    plan = planned(machine(budget_bytes, "metal"), **bare)
    assert 3072 <= plan.spec.context < 8192
    assert plan.need.total_bytes <= budget_bytes
    step_bytes = 256 * FACTS.text.kv.bytes_per_token
    assert plan.need.total_bytes > budget_bytes - 2 * step_bytes


def test_a_context_is_not_cut_to_nothing_but_the_figures_are_told() -> None:
    roomy = planned(machine(backend="metal"))
    tight = machine(roomy.need.weights_bytes + roomy.need.process_bytes, "metal")
    plan = planned(tight)
    assert plan.spec.context == 8192
    assert plan.need.total_bytes > tight.budget_bytes
    assert plan.need.prefix_bytes == 0


def test_a_prefix_cache_reserves_at_most_twice_the_context_and_what_the_budget_leaves() -> None:
    tiny = msgspec.structs.replace(MODEL, facts=changed_facts(FACTS, kv=KVLayout(2)))
    plan = planned(model=tiny, slots=1, context_tokens=USUAL)
    assert plan.need.prefix_bytes == 2 * plan.need.kv_bytes
    assert planned(model=tiny, context_tokens=USUAL).need.prefix_bytes == plan.need.prefix_bytes
    usual = {"slots": 1, "context_tokens": USUAL}
    bare = planned(machine(backend="metal"), prefix_cache_bytes=0, **usual).need.total_bytes
    assert planned(machine(bare + 77, "metal"), **usual).need.prefix_bytes == 77


def test_slots_share_a_pool_of_an_eighth_of_the_budget_but_no_less_than_a_context() -> None:
    usual = {"context_tokens": USUAL}
    one = planned(slots=1, **usual)
    assert one.spec.text.kv_pool_tokens == one.spec.context == 8192
    roomy = planned(machine(64 * GIB), **usual)
    assert roomy.spec.text.kv_pool_tokens > 4 * 8192
    assert 7.9 * GIB < roomy.need.kv_bytes <= 8 * GIB + 256 * 40_000
    few = planned(machine(64 * GIB), slots=2, **usual)
    assert few.spec.text.kv_pool_tokens == 2 * (8192 + 255) - 255
    assert planned(machine(2 * GIB), **usual).spec.text.kv_pool_tokens == 8192
    assert planned(machine(64 * GIB), kv_bits=8, **usual).spec.text.kv_pool_tokens == 8192


def test_an_adapter_and_its_weights_are_in_the_plan() -> None:
    adapted = msgspec.structs.replace(
        MODEL, id="org/one+tune", adapter="/models/tune", base="org/one", adapter_bytes=12_345
    )
    plan = planned(model=adapted)
    assert (plan.spec.model_id, plan.spec.path) == ("org/one+tune", "/models/org/one")
    assert plan.spec.text.adapter == "/models/tune"
    assert plan.need.weights_bytes == planned().need.weights_bytes + 12_345


def test_a_draft_model_and_its_memory_are_in_the_plan() -> None:
    plan = planned(draft=small(), draft_model="org/small", draft_tokens=5, context_tokens=USUAL)
    assert (plan.spec.text.draft, plan.spec.text.draft_tokens) == ("/models/org/small", 5)
    assert plan.need.weights_bytes > planned(slots=1, context_tokens=USUAL).need.weights_bytes
    assert plan.need.kv_bytes == 2 * planned(slots=1, context_tokens=USUAL).need.kv_bytes


def test_drafted_tokens_mean_nothing_without_a_draft() -> None:
    assert planned(draft_tokens=5).spec == planned().spec


def test_a_model_with_a_problem_is_refused_with_it() -> None:
    with pytest.raises(ModelUnsupported, match="No weights"):
        planned(model=msgspec.structs.replace(MODEL, problem="No weights."))


def finding(draft: Model) -> Any:
    def find(name: str) -> Model:
        if name != draft.id:
            raise ModelNotFound(f"The model '{name}' is not installed.")
        return draft

    return find


def test_no_draft_is_looked_for_where_none_is_set() -> None:
    assert find_draft(MODEL, None, finding(small())) is None


@pytest.mark.parametrize("size", [1000, None])
def test_a_draft_of_the_same_vocabulary_is_found(size: int | None) -> None:
    draft = small(vocabulary_size=size)
    assert find_draft(MODEL, "org/small", finding(draft)) is draft


@pytest.mark.parametrize(
    ("name", "draft", "said"),
    [
        ("gone", small(), "'gone' is not installed"),
        (
            "org/small",
            small(vocabulary_size=999),
            "org/one has a vocabulary of 1000, org/small one of 999",
        ),
        ("org/small", msgspec.structs.replace(small(), adapter="/a"), "has an adapter"),
        ("org/small", msgspec.structs.replace(small(), problem="Broken."), "Broken."),
    ],
)
def test_a_draft_that_cannot_be_used_is_refused_with_the_reason(
    name: str, draft: Model, said: str
) -> None:
    with pytest.raises(ModelUnsupported) as caught:
        find_draft(MODEL, name, finding(draft))
    assert said in caught.value.message
    assert caught.value.hint


def test_scripted_models_run_on_the_fake_engine(tmp_path: Path) -> None:
    config = resolve(flags={"data_dir": str(tmp_path), "engine": "fake"}, environment={})
    plan = plan_load(MODEL, machine(), config, settings=resolve_model(config, {}))
    assert plan.spec.engine == "mlx_gui.engines.fake.text"


def test_a_context_may_be_another_for_one_load() -> None:
    settings = resolve_model(CONFIG, {})
    plan = plan_load(MODEL, machine(), CONFIG, settings=settings, context_tokens=1234)
    assert plan.spec.context == 1234
    longer = plan_load(MODEL, machine(), CONFIG, settings=settings, context_tokens=10**6)
    assert longer.spec.context == 32_768


@pytest.mark.parametrize(
    ("wanted", "context"), [(8192, 4096), (3000, 2048), (2048, 2048), (1500, 1500)]
)
def test_a_small_footprint_has_one_context_of_half_the_length_and_keeps_no_prompts(
    wanted: int, context: int
) -> None:
    settings = resolve_model(CONFIG, {"context_tokens": wanted})
    footprint: Footprint = "small"
    plan = plan_load(MODEL, machine(64 * GIB), CONFIG, settings=settings, footprint=footprint)
    assert plan.spec.context == plan.spec.text.kv_pool_tokens == context
    assert plan.need.prefix_bytes == 0


def test_the_limit_of_a_model_cuts_its_caches_and_its_context() -> None:
    free = planned(machine(backend="metal"), context_tokens=USUAL)
    limit_bytes = free.need.total_bytes - free.need.prefix_bytes // 2
    plan = planned(machine(backend="metal"), memory_limit_bytes=limit_bytes, context_tokens=USUAL)
    assert plan.need.total_bytes <= limit_bytes
    assert plan.spec.context == free.spec.context
    lower = free.need.weights_bytes + free.need.process_bytes + free.need.kv_bytes // 8
    cut = planned(machine(backend="metal"), memory_limit_bytes=lower, context_tokens=USUAL)
    assert cut.spec.context < 8192


def test_a_limit_that_is_too_low_is_named_with_both_figures() -> None:
    with pytest.raises(ModelTooLarge) as refusal:
        planned(memory_limit_bytes=300_000_000)
    assert "memory_limit_bytes allows 300.0 MB" in refusal.value.message
    assert "org/one needs" in refusal.value.message
    assert refusal.value.details["limit_bytes"] == 300_000_000


def longest(room_bytes: int, **own: Any) -> int:
    settings = resolve_model(CONFIG, own)
    return largest_context(MODEL, machine(), CONFIG, settings=settings, room_bytes=room_bytes)


def test_the_longest_context_is_the_models_own_or_what_fits_or_none() -> None:
    assert longest(64 * GIB) == 32_768
    assert longest(FACTS.stored_bytes) == 0
    some = longest(2 * GIB)
    assert 1024 < some < 32_768
    assert some % 256 == 0
    # What is offered is what a load with it takes, and one step more would be too much.
    assert planned(context_tokens=some).need.total_bytes <= 2 * GIB
    assert planned(context_tokens=some + 256).need.total_bytes > 2 * GIB
    limited = longest(64 * GIB, memory_limit_bytes=700_000_000)
    assert 1024 < limited < 32_768
    held = planned(memory_limit_bytes=700_000_000, context_tokens=limited)
    assert held.spec.context == limited


def test_a_measurement_stands_in_for_what_the_files_promise_of_weights_and_process() -> None:
    plain = planned(slots=1)
    use = MemoryUse(
        420_000_000, 0, 0, 600_000_000, load_peak_bytes=450_000_000, peak_rss_bytes=700_000_000
    )
    asked: list[LoadSpec] = []

    def measured(spec: LoadSpec) -> Measurement | None:
        asked.append(spec)
        return Measurement(use, 1.0) if spec.weight_form == "float32" else None

    settings = resolve_model(CONFIG, {"slots": 1})
    plan = plan_load(MODEL, machine(), CONFIG, settings=settings, measured=measured)
    assert (plan.measured, plain.measured) == (True, False)
    assert plan.spec == plain.spec
    assert plan.need.weights_bytes == 420_000_000
    assert plan.need.process_bytes == 180_000_000
    assert plan.need.load_peak_bytes == 700_000_000
    assert plan.need.kv_bytes == plain.need.kv_bytes
    assert plan.need.mlx_bytes == plain.need.mlx_bytes + 20_000_000
    assert {spec.key() for spec in asked} == {plan.spec.key()}
