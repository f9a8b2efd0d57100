"""Chat templates: strangers' programs, run in a sandbox and within bounds.

The environment is the one that transformers runs them in. Loops, calls, filters, operators, the
size of values and of the output are counted, and at each of them the clock is looked at. What one
single operation may take is bounded by what it is given (`template_costs.py`): a template that does
more is `Heavy`, and is run in a process of its own (`template_process.py`).
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn, cast

from jinja2 import (
    Template,
    TemplateError,
    TemplateRuntimeError,
    TemplateSyntaxError,
    nodes,
    pass_context,
    pass_environment,
)
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from mlx_gui.core.errors import PROGRAM_ERRORS
from mlx_gui.engines.text.template_costs import (
    Heavy,
    filter_is_heavy,
    is_plain,
    method_is_heavy,
    test_is_heavy,
)

MAX_CHARACTERS = 50_000_000
MAX_STEPS = 2_000_000
MAX_S = 5.0
MAX_ARGUMENT = 10_000
"""A filter takes no larger number: it would be a width or a count."""
MAX_SOURCE_CHARACTERS = 200_000
"""The longest templates of models have a tenth of that."""
MAX_BITS = 10_000
"""Of a number."""
_HEAVY_SOURCE_CHARACTERS = 50_000
"""To compile so much takes about a second."""
_HEAVY_CHARACTERS = 200_000_000
"""Of all values together that a template has made."""

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

_LOOP, _VALUE, _OPERAND, _MADE = "bounded_loop", "bounded_value", "bounded_operand", "made"
_COMPARING_TESTS = (
    "!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le",
    "lessthan", "lt", "ne",
)  # fmt: skip
_KEPT = 8

# What a template may raise, being a program; it reads to the client as the template's own words.
_TEMPLATE_ERRORS = (*PROGRAM_ERRORS, TemplateError)


class TemplateFailed(Exception):
    """The template raised; the message is what it said, and `line` where, as far as it is known."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Templates:
    """Renders templates; those that were used last are kept compiled. For one thread.

    With `gently` a template that does what may take long in one piece is not run to its end: that
    raises Heavy.
    """

    def __init__(self, *, gently: bool = False) -> None:
        self._compiled: dict[str, Template] = {}
        self._gently = gently
        self._environment = _Environment(gently=gently)

    def render(
        self, source: str, variables: Mapping[str, Any], *, until_s: float | None = None
    ) -> str:
        """The text. Raises TemplateFailed with what the template raised, or why it was stopped.

        It may run until `until_s` of the monotonic clock, by default for `MAX_S`.
        """
        check_source(source)
        if self._gently and len(source) > _HEAVY_SOURCE_CHARACTERS:
            raise Heavy
        until_s = time.monotonic() + MAX_S if until_s is None else until_s
        budget = self._environment.budget = _Budget(until_s, gently=self._gently)
        try:
            template = self._compiled.pop(source, None) or self._environment.compiled(source)
            self._compiled[source] = template
            if len(self._compiled) > _KEPT:
                del self._compiled[next(iter(self._compiled))]
            return "".join(budget.output(template.generate(variables)))
        except _TEMPLATE_ERRORS as error:
            said = str(error) or type(error).__name__
            raise TemplateFailed(said, line=_line_of(error)) from error


def _line_of(error: BaseException) -> int | None:
    """The line of the template in which `error` was raised: jinja2 writes it into the traceback."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    line: int | None = None
    trace = error.__traceback__
    while trace is not None:
        if "__jinja_exception__" in trace.tb_frame.f_globals:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def check_source(source: str) -> None:
    """Raises TemplateFailed for a template that would be compiled for too long."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        raise TemplateFailed(
            f"it has {len(source)} characters, which is too long; "
            f"{MAX_SOURCE_CHARACTERS} are allowed"
        )


class _Budget:
    """What one rendering may still use."""

    def __init__(self, until_s: float, *, gently: bool) -> None:
        self._steps = 0
        self._made_characters = 0
        self._until_s = until_s
        self._gently = gently

    def step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS or time.monotonic() > self._until_s:
            raise TemplateRuntimeError("it runs for too long")

    def value(self, value: Any) -> Any:
        """`value`, which has just been made."""
        self.step()
        if isinstance(value, str | list | tuple):
            if len(value) > MAX_CHARACTERS:
                raise TemplateRuntimeError("it makes a value that is too large")
            self.made(len(value))
        elif isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise TemplateRuntimeError("it makes a number that is too large")
        return value

    def made(self, characters: int) -> None:
        """Something of that size was made, and may have to be kept."""
        self._made_characters += characters
        if self._gently and self._made_characters > _HEAVY_CHARACTERS:
            raise Heavy

    def operand(self, value: Any) -> Any:
        """`value`, which is going to be compared or written as a whole."""
        self.step()
        if self._gently and not is_plain(value):
            raise Heavy
        return value

    def loop(self, values: Iterable[Any], constant_characters: int) -> Iterator[Any]:
        for value in values:
            self.step()
            self.made(constant_characters)
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
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self, *, gently: bool) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            finalize=_written,
        )
        self.gently = gently
        self.budget = _Budget(0, gently=gently)
        filters: dict[str, Callable[..., Any]] = {**self.filters, "tojson": _to_json}
        self.filters = {name: _bounded_filter(name, each) for name, each in filters.items()}
        for name in _COMPARING_TESTS:
            self.tests[name] = _bounded_test(self.tests[name])
        self.filters |= {
            _LOOP: _bounded_loop,
            _VALUE: _bounded_value,
            _OPERAND: _bounded_operand,
            _MADE: _made,
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
        if self.gently and method_is_heavy(obj, args, kwargs):
            raise Heavy
        return self.budget.value(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and not (abs(left) < 2**32 and abs(right) <= 16):
            raise TemplateRuntimeError("it computes too large a power")
        if self.gently and operator == "%" and isinstance(left, str):
            raise Heavy
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
        constant_characters = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _LOOP, nodes.Const(constant_characters))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        """A body that is a loop of one turn, so that its constants count."""
        constant_characters = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        counted = _filtered(nodes.Const(""), _MADE, nodes.Const(constant_characters))
        node.body = [nodes.Output([counted]), *node.body]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [_operand(each) for each in node.nodes]
        return _filtered(node, _VALUE)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        """A constant costs little to compare, unless it is looked for in something."""
        self.generic_visit(node)
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        within = any(operand.op in ("in", "notin") for operand in node.ops)
        if within or not any(isinstance(side, nodes.Const) for side in sides):
            node.expr = _operand(node.expr)
            for operand in node.ops:
                operand.expr = _operand(operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, _VALUE) if isinstance(node.arg, nodes.Slice) else node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:
        self.generic_visit(node)
        if node.filter is None:
            node.filter = _filtered(None, _VALUE)
        return node


def _filtered(node: nodes.Node | None, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(cast(nodes.Expr | None, node), name, list(arguments), [], None, None)


def _operand(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _filtered(node, _OPERAND)


# They take the context so that nothing is computed while the template is compiled.


@pass_context
def _bounded_loop(
    context: Context, values: Iterable[Any], constant_characters: int
) -> Iterator[Any]:
    return _budget(context).loop(values, constant_characters)


@pass_context
def _bounded_value(context: Context, value: Any) -> Any:
    return _budget(context).value(value)


@pass_context
def _bounded_operand(context: Context, value: Any) -> Any:
    return _budget(context).operand(value)


@pass_context
def _made(context: Context, value: Any, characters: int) -> Any:
    _budget(context).made(characters)
    return value


@pass_context
def _written(context: Context, value: Any) -> Any:
    """What stands in an output: a text, or it becomes one there."""
    if isinstance(value, str):
        _budget(context).made(len(value))
        return value
    return _budget(context).operand(value)


def _bounded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter within bounds, wherever it is called: `map` calls filters by their names."""
    wanted = getattr(getattr(function, "jinja_pass_arg", None), "name", None)

    @pass_context
    def bounded(context: Context, /, *args: Any, **kwargs: Any) -> Any:
        environment = cast(_Environment, context.environment)
        environment.budget.step()
        for argument in (*args[1:], *kwargs.values()):
            if isinstance(argument, int) and abs(argument) > MAX_ARGUMENT:
                raise TemplateRuntimeError("it calls a filter with too large a number")
        if environment.gently and filter_is_heavy(name, args, kwargs):
            raise Heavy
        match wanted:
            case "context":
                args = (context, *args)
            case "eval_context":
                args = (context.eval_ctx, *args)
            case "environment":
                args = (environment, *args)
            case _:
                pass
        return environment.budget.value(function(*args, **kwargs))

    return bounded


def _bounded_test(function: Callable[..., bool]) -> Callable[..., bool]:
    # Of the environment, for `select` calls tests without a context.
    @pass_environment
    def bounded(environment: "_Environment", /, *args: Any) -> bool:
        environment.budget.step()
        if environment.gently and test_is_heavy(args):
            raise Heavy
        return function(*args)

    return bounded


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
