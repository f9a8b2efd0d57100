"""Chat templates: strangers' programs, run in a sandbox and within bounds.

The environment is the one that transformers runs them in. Loops, calls, the size of values and of
the output are counted; one single operation on values of that size is not interrupted.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn, cast

from jinja2 import Template, TemplateError, TemplateRuntimeError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from mlx_gui.core.errors import PROGRAM_ERRORS

MAX_CHARACTERS = 50_000_000
MAX_STEPS = 2_000_000
MAX_S = 5.0
MAX_ARGUMENT = 10_000
"""A filter takes no larger number: it would be a width or a count."""

CHATML = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
"""For a model without a template whose vocabulary has ChatML's markers."""

PARAGRAPHS = """\
{%- for message in messages %}
{{- message.role + ': ' + message.content }}
{%- if not loop.last %}{{- '\\n\\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '\\n\\nassistant:' }}{%- endif %}
"""
"""For base models: one paragraph a turn, and what they continue is the assistant's turn."""

_LOOP, _VALUE, _ARGUMENT = "bounded_loop", "bounded_value", "bounded_argument"
_KEPT = 8

# What a template may raise, being a program; it reads to the client as the template's own words.
_TEMPLATE_ERRORS = (*PROGRAM_ERRORS, TemplateError)


class TemplateFailed(Exception):
    """The template raised; the message is what it said."""


class Templates:
    """Renders templates; those that were used last are kept compiled. For one thread."""

    def __init__(self) -> None:
        self._compiled: dict[str, Template] = {}
        self._environment = _Environment()

    def render(self, source: str, variables: Mapping[str, Any]) -> str:
        """The text. Raises TemplateFailed with what the template raised."""
        try:
            self._environment.budget = _Budget()
            template = self._compiled.pop(source, None) or self._environment.compiled(source)
            self._compiled[source] = template
            if len(self._compiled) > _KEPT:
                del self._compiled[next(iter(self._compiled))]
            return "".join(self._environment.budget.output(template.generate(variables)))
        except _TEMPLATE_ERRORS as error:
            raise TemplateFailed(str(error) or type(error).__name__) from error


class _Budget:
    """What one rendering may still use."""

    def __init__(self) -> None:
        self._steps = 0
        self._until_s = time.monotonic() + MAX_S

    def step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS or (self._steps % 256 == 0 and time.monotonic() > self._until_s):
            raise TemplateRuntimeError("it runs for too long")

    def value(self, value: Any) -> Any:
        if isinstance(value, str | list | tuple) and len(value) > MAX_CHARACTERS:
            raise TemplateRuntimeError("it makes a value that is too large")
        return value

    def loop(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.step()
            yield value

    def output(self, parts: Iterable[str]) -> Iterator[str]:
        characters = 0
        for part in parts:
            self.step()
            characters += len(part)
            if characters > MAX_CHARACTERS:
                raise TemplateRuntimeError("it writes too much")
            yield part


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        self.budget = _Budget()
        self.filters |= {
            "tojson": _to_json,
            _LOOP: _bounded_loop,
            _VALUE: _bounded_value,
            _ARGUMENT: _bounded_argument,
        }
        self.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
            "dict": lambda *arguments, **named: dict(*arguments, **named),
            "namespace": _PlainNamespace,
        }

    def compiled(self, source: str) -> Template:
        """The template with its loops and values bounded."""
        tree = _Bounds().visit(self.parse(source))
        tree.set_environment(self)
        return Template.from_code(self, self.compile(tree), self.make_globals(None))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.budget.step()
        for argument in (*args, *kwargs.values()):
            if type(argument) is int and abs(argument) > MAX_CHARACTERS:
                raise TemplateRuntimeError("it calls a function with too large a number")
        return self.budget.value(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and not (abs(left) < 2**32 and abs(right) <= 16):
            raise TemplateRuntimeError("it computes too large a power")
        for text, count in ((left, right), (right, left)):
            if (
                operator == "*"
                and isinstance(text, str | list | tuple)
                and isinstance(count, int)
                and len(text) * count > MAX_CHARACTERS
            ):
                raise TemplateRuntimeError("it makes a value that is too large")
        return self.budget.value(super().call_binop(context, operator, left, right))


class _Bounds(NodeTransformer):
    """Lets every loop and every value that may grow pass through the budget."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _LOOP)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, _VALUE)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        self.generic_visit(node)
        node.args = [_filtered(argument, _ARGUMENT) for argument in node.args]
        for named in node.kwargs:
            named.value = _filtered(named.value, _ARGUMENT)
        return _filtered(node, _VALUE)

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:
        self.generic_visit(node)
        if node.filter is None:
            node.filter = _filtered(None, _VALUE)
        return node


def _filtered(node: nodes.Node | None, name: str) -> nodes.Filter:
    return nodes.Filter(cast(nodes.Expr | None, node), name, [], [], None, None)


# They take the context so that nothing is computed while the template is compiled.


@pass_context
def _bounded_loop(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    return _budget(context).loop(values)


@pass_context
def _bounded_value(context: Context, value: Any) -> Any:
    return _budget(context).value(value)


@pass_context
def _bounded_argument(context: Context, value: Any) -> Any:
    if isinstance(value, int) and abs(value) > MAX_ARGUMENT:
        raise TemplateRuntimeError("it calls a filter with too large a number")
    return value


def _budget(context: Context) -> _Budget:
    return cast(_Environment, context.environment).budget


class _Generation(Extension):
    """`{% generation %}` marks what the assistant says, for training; here it marks nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _PlainNamespace(Namespace):
    """Namespaces hold no attribute that begins with an underscore: Python's own do."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *values = args
        attributes = dict(*values, **kwargs)
        for name in attributes:
            _check_attribute(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_attribute(name)
        super().__setitem__(name, value)


def _check_attribute(name: str) -> None:
    if name.startswith("_"):
        raise SecurityError(f"the attribute {name} of a namespace begins with an underscore")


def _raise_exception(message: object) -> NoReturn:
    raise TemplateError(str(message))


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
