"""Chat templates: what they may do, and what they may not."""

import pytest

from mlx_gui.engines.text import template
from mlx_gui.engines.text.template import CHATML, PARAGRAPHS, TemplateFailed, Templates

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


def test_a_template_starts_afresh_each_time() -> None:
    templates = Templates()
    for _ in range(3):
        for index in range(20):
            assert templates.render(f"{index}{{{{ x }}}}", {"x": "!"}) == f"{index}!"
