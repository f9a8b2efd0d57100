"""A chat template is tried before it becomes a setting: what it makes, or where it fails."""

import json
from pathlib import Path

import pytest

from mlx_gui.core.template_trial import TemplateTrial
from mlx_gui.engines.text.template_trial import tried

TURNS = """\
{{ bos_token }}
{%- for message in messages -%}
[{{ message.role }}]{{ message.content }}{{ eos_token }}
{%- endfor -%}
{%- if add_generation_prompt %}[{{ name or 'assistant' }}]{% endif -%}
"""


def test_the_prompt_has_the_models_special_tokens_and_the_arguments(tmp_path: Path) -> None:
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": None, "x": [1]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert tried(TURNS, tmp_path, {"name": "me"}).prompt == (
        "<s>[user]What is the capital of France?</s>[assistant]Paris.</s>"
        "[user]And of Italy?</s>[me]"
    )


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"bos_token": 1}'])
def test_without_special_tokens_there_are_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer_config.json").write_text(content)
    told = tried("{{ bos_token }}|{{ messages | length }}", tmp_path, {})
    assert told == TemplateTrial("|3")
    assert tried("plain", None, {}) == TemplateTrial("plain")


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("{{ messages }}\n\n{% for message in messages %}", 3, "Unexpected end of template"),
        ("one\n{% unknown %}", 2, "unknown tag 'unknown'"),
        ("one\n{{ '' | nothing }}", 2, "No filter named 'nothing'"),
        ("{% if true %}\none\n{{ raise_exception('No such turn') }}{% endif %}", 3, "No such turn"),
        ("one\n\n\n{{ messages.nothing.at_all }}", 4, "has no attribute"),
        ("{% for a in range(3000) %}{% for b in range(3000) %}{% endfor %}{% endfor %}", 1,
         "runs for too long"),
        ("x" * 200_001, None, "too long"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_names_its_line_and_the_reason(
    source: str, line: int | None, said: str
) -> None:
    told = tried(source, None, {})
    assert (told.prompt, told.line) == (None, line)
    assert told.reason is not None
    assert said in told.reason
