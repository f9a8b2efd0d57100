"""Prompts with a gap: what stands before and behind it, by the tokens of the model's family."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from mlx_gui.core.capabilities import cannot_fill
from mlx_gui.core.fill_tokens import fill_tokens_of
from mlx_gui.core.generation import GenerateRequest
from mlx_gui.engines.text.control_tokens import ControlTokens
from mlx_gui.engines.text.mlx_lm import TokenizerWrapper
from mlx_gui.parsers.base import Dialect

_OTHER = "\N{WHITE SMILING FACE}"
"""A text that joins with no other to a token."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A prompt that asks for what belongs in a gap; `end_tokens` end it besides the model's own."""

    ids: list[int]
    end_tokens: frozenset[int]


class Infilling:
    """Prompts of a model that fills gaps, if its vocabulary has the tokens. For one thread."""

    def __init__(
        self,
        tokenizer: TokenizerWrapper,
        dialect: Dialect,
        *,
        token_id: Callable[[str], int | None],
        model_id: str,
    ) -> None:
        self._tokenizer = tokenizer
        self._token_id = token_id
        self._model_id = model_id
        self._tokens = fill_tokens_of(lambda token: token_id(token) is not None)
        self._dialect = dialect
        self._controls: ControlTokens | None = None

    def gap(self, request: GenerateRequest, before: str, behind: str) -> Gap:
        """The ids of a gap between two texts, in which control tokens are text.

        Raises CapabilityMissing for a model that was not made for it, and InvalidRequest.
        """
        tokens = self._tokens
        if tokens is None:
            raise cannot_fill(self._model_id)
        prefix = [self._id(tokens.before), *self._text(request, before)]
        read = self._bare_text if tokens.bare_suffix else self._text
        suffix = [self._id(tokens.behind), *read(request, behind)]
        middle = [self._id(tokens.middle)] if tokens.middle is not None else []
        parts = [suffix, prefix] if tokens.suffix_first else [prefix, suffix]
        ends = (self._token_id(token) for token in (*tokens.ends, *tokens.marks))
        return Gap(
            [*self._begin(), *(id for part in (*parts, middle) for id in part)],
            frozenset(id for id in ends if id is not None),
        )

    def _id(self, token: str) -> int:
        id = self._token_id(token)
        assert id is not None, "the vocabulary has these tokens"
        return id

    def _begin(self) -> list[int]:
        """What the tokenizer writes before every text."""
        ends = self._tokenizer.eos_token_ids - {self._tokenizer.bos_token_id}
        return list(takewhile(lambda id: id not in ends, self._tokenizer.encode("")))

    def _text(self, request: GenerateRequest, text: str) -> list[int]:
        if self._controls is None:
            # Whatever looks like a control token is one here: there is no template to tell.
            self._controls = ControlTokens(self._tokenizer, None, self._dialect)
        return self._controls.as_text(text, request)

    def _bare_text(self, request: GenerateRequest, text: str) -> list[int]:
        other = self._text(request, _OTHER)
        ids = self._text(request, _OTHER + text)
        return ids[len(other) :] if ids[: len(other)] == other else self._text(request, text)
