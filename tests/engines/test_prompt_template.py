"""Chat templates: what they may do, and what they may not."""

from contextlib import suppress

import pytest

from mlx_gui.engines.text import template, template_process
from mlx_gui.engines.text.template import CHATML, PARAGRAPHS, TemplateFailed, Templates
from mlx_gui.engines.text.template_costs import Heavy
from mlx_gui.engines.text.template_process import TemplateRunner

MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def render(source: str, **variables: object) -> str:
    return Templates().render(source, variables)


def test_the_environment_is_as_transformers_has_it() -> None:
    source = """
    {%- set ns = namespace(count=0) %}
    {%- for message in messages %}
        {%- if loop.last %}
            {%- break %}
        {%- endif %}
        {%- set ns.count = ns.count + 1 %}
        {%- generation %}{{ message.content }}{% endgeneration %}
        {{- {'a': '<é>', 'b': [1, none]} | tojson }}
    {%- endfor %}
    {{- ns.count ~ '|' ~ (messages | length) ~ '|' ~ dict(a=1).a ~ strftime_now('%%') }}"""
    assert render(source, messages=MESSAGES) == 'Hi{"a": "<é>", "b": [1, null]}1|2|1%'


def test_loops_know_their_place() -> None:
    source = (
        "{% for x in xs %}{{ loop.index }}/{{ loop.length }}{{ loop.previtem }}"
        "{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}"
    )
    assert render(source, xs=["a", "b"]) == "1/2, 2/2a"
    assert render(source, xs=[]) == "none"


def test_default_formats() -> None:
    assert render(CHATML, messages=MESSAGES[:1], add_generation_prompt=True) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert render(PARAGRAPHS, messages=MESSAGES, add_generation_prompt=True) == (
        "user: Hi\n\nassistant: Hello\n\nassistant:"
    )
    assert render(PARAGRAPHS, messages=MESSAGES) == "user: Hi\n\nassistant: Hello"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ raise_exception('No tools here.') }}", "No tools here."),
        ("{% if %}", "Expected an expression"),
        ("{{ messages[0].content.nothing.at_all }}", "no attribute"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 'a' + 1 }}", "can only concatenate"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ namespace(_x=1) }}", "underscore"),
        ("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}", "recursion"),
        ("{% include 'file' %}", "no loader"),
        ("{{ " + "(" * 5000 + " }}", ""),
    ],
)
def test_whatever_a_template_raises_is_told_in_its_words(source: str, said: str) -> None:
    with pytest.raises(TemplateFailed, match=f"(?i){said}"):
        render(source, messages=MESSAGES)


GROWING = (
    "{% set ns = namespace(s='ab') %}{% for _ in range(60) %}{% set ns.s = STEP %}{% endfor %}"
)
LOOPS = "{% for a in range(9999) %}{% for b in range(9999) %}BODY{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    "source",
    [
        LOOPS.replace("BODY", ""),
        LOOPS.replace("BODY", "x"),
        LOOPS.replace("BODY", "{% set y = a + b %}"),
        "{% for x in range(9) recursive %}{% if loop.depth < 20 %}{{ loop(range(9)) }}{% endif %}"
        "{% endfor %}",
        "{% macro two(n) %}{% if n %}{{ two(n - 1) }}{{ two(n - 1) }}{% endif %}{% endmacro %}"
        "{{ two(60) }}",
        GROWING.replace("STEP", "ns.s + ns.s"),
        GROWING.replace("STEP", "ns.s ~ ns.s"),
        GROWING.replace("STEP", "ns.s * 2"),
        GROWING.replace("STEP", "'%s%s' % (ns.s, ns.s)"),
        GROWING.replace("STEP", "[ns.s, ns.s] | join"),
        GROWING.replace("STEP", "ns.s.replace('a', 'aa')"),
        "{% set ns = namespace(s='ab') %}{% for _ in range(60) %}"
        "{% set s %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = s %}{% endfor %}",
        "{{ 'a' * 10 ** 12 }}",
        "{{ [1] * 10 ** 12 }}",
        "{{ 2 ** (2 ** 40) }}",
        "{{ 'a'.ljust(10 ** 12) }}",
        "{{ range(10 ** 9) | list }}",
        "{{ 'a'|center(10 ** 12) }}",
        "{{ 'a'|indent(width=10 ** 12) }}",
        "{{ [1]|batch(10 ** 12, 0)|list }}",
    ],
)
def test_a_template_that_would_go_on_for_ever_or_grow_without_end_is_stopped(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "MAX_STEPS", 20_000)
    monkeypatch.setattr(template, "MAX_CHARACTERS", 100_000)
    with pytest.raises(TemplateFailed, match=r"too (long|large|much|big)"):
        render(source)


def test_a_template_has_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "MAX_S", 0.0)
    with pytest.raises(TemplateFailed, match="too long"):
        render("{% for a in range(9999) %}{% endfor %}")


def test_the_clock_is_looked_at_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "MAX_S", 0.0)
    for source in ("{{ x|upper }}", "{{ x.upper() }}", "{{ x ~ x }}", "{{ x[1:] }}", "{{ x + x }}"):
        with pytest.raises(TemplateFailed, match="too long"):
            render(source, x="a")


def test_a_template_of_many_characters_is_not_even_compiled() -> None:
    with pytest.raises(TemplateFailed, match="200001 characters"):
        render("x" * 200_001)


WORDS = "ab " * 1_000_000
NEST = (
    "{% set ns = namespace(a=[1], b=[1]) %}{% for _ in range(60) %}"
    "{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}"
)
LONG_PIECES = [
    "{% set x = words|wordwrap(1) %}",
    "{% set x = words|urlize %}",
    "{% set x = words|sort %}",
    "{% set x = [words]|map('wordwrap', 1)|list %}",
    "{% set x = words|indent(9000) %}",
    "{% set x = words.replace('a', 'b' * 9000) %}",
    "{% set x = words|replace('a', 'b' * 9000) %}",
    "{% set x = words.split() %}",
    "{% set x = words.translate({97: 'b' * 9000}) %}",
    "{% set x = '%9999999999d' % 1 %}",
    "{% set x = '{:>9999999999}'.format(1) %}",
    "{% set x = lipsum(n=50000000) %}",
    "{% set x = words|list|join('b' * 9000) %}",
    NEST + "{% set x = ns.a|tojson %}",
    NEST + "{% set x = ns.a|string %}",
    NEST + "{% set x = ns.a ~ '' %}",
    NEST + "{{ ns.a }}",
    NEST + "{% set x = ns.a == ns.b %}",
    NEST + "{% set x = ns.a is eq(ns.b) %}",
    NEST + "{% set x = [ns.a] | select('eq', ns.b) | list %}",
    NEST + "{% set x = ns.b in [ns.a] %}",
    NEST + "{% set x = [ns.a, ns.b] | unique | list %}",
    "{% set x %}{% for _ in range(99999) %}" + "x" * 10_000 + "{% endfor %}{% endset %}",
    "{% macro m() %}" + "x" * 10_000 + "{% endmacro %}"
    "{% set x %}{% for _ in range(99999) %}{{ m() }}{% endfor %}{% endset %}",
    "{% set x %}{% for _ in range(99999) %}{{ words }}{% endfor %}{% endset %}",
    "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}"
    "{% set ns.l = ns.l + [words ~ i] %}{% endfor %}",
    "{% if words %}{% endif %}" * 8_000,
]


@pytest.mark.parametrize("source", LONG_PIECES)
def test_what_may_take_long_in_one_piece_is_not_done_beside_others(source: str) -> None:
    with pytest.raises(Heavy):
        Templates(gently=True).render(source, {"words": WORDS})


def test_what_models_do_is_done_beside_others() -> None:
    long = [{"role": "user", "content": WORDS}, *MESSAGES] * 3
    tools = [{"name": "f", "parameters": {"properties": {"x": {"type": "string"}}}}] * 100
    source = (
        "{%- for m in messages[::-1] %}{% set ns = namespace(c=m.content|trim) %}"
        "{% if m.role == 'user' and '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}"
        "{% endif %}{{ m.role + '\\n' ~ ns.c.replace('ab', '').lstrip('\\n') }}{% endfor %}"
        "{% for tool in tools %}{{ tool|tojson(indent=2) }}{% endfor %}"
        "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='role')|join(' ') }}"
    )
    variables = {"messages": long, "tools": tools}
    assert Templates(gently=True).render(source, variables) == render(source, **variables)


@pytest.fixture(scope="module")
def runner() -> TemplateRunner:
    return TemplateRunner({"{{ words|wordwrap(1)|length }}", "mine"})


@pytest.mark.parametrize("source", LONG_PIECES[::4])
def test_a_strangers_template_is_stopped_whatever_it_does_and_the_next_one_runs(
    source: str, runner: TemplateRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_process, "MAX_S", 0.5)
    runner.begin()
    with suppress(TemplateFailed):
        assert len(runner.render(source, {"words": WORDS})) <= template.MAX_CHARACTERS
    monkeypatch.undo()
    runner.begin()
    assert runner.render("{{ x }}\ud800", {"x": "é"}) == "é\ud800"


def test_a_template_of_the_model_that_does_much_is_run_apart_and_not_refused(
    runner: TemplateRunner,
) -> None:
    runner.begin()
    assert runner.render("{{ words|wordwrap(1)|length }}", {"words": "ab " * 10_000}) == "39999"
    assert runner.render("mine", {}) == "mine"


def test_all_that_is_rendered_for_one_request_shares_its_time(
    runner: TemplateRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_process, "MAX_S", 0.0)
    runner.begin()
    for _ in range(2):
        with pytest.raises(TemplateFailed, match="too long"):
            runner.render("mine", {})


def test_what_a_template_says_apart_is_told_in_its_words(runner: TemplateRunner) -> None:
    runner.begin()
    with pytest.raises(TemplateFailed, match="No tools here"):
        runner.render("{{ raise_exception('No tools here.') }}", {})
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TemplateFailed, match="nested too deeply"):
        runner.render("{{ x }}", {"x": deep})


def test_a_template_starts_afresh_each_time() -> None:
    templates = Templates()
    for _ in range(3):
        for index in range(20):
            assert templates.render(f"{index}{{{{ x }}}}", {"x": "!"}) == f"{index}!"
