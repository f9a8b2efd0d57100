"""Text in which a letter, the wedge, keeps control tokens that were typed from being whole.

See `control_tokens`. The ids are those of the text without its wedges, had the tokenizer never
heard of the control tokens that were typed.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tokenizers import AddedToken, Tokenizer

from mlx_gui.engines.text.mlx_lm import TokenizerWrapper


class WedgedReader(Protocol):
    """Reads texts with one wedge."""

    def encode(self, text: str, *, special: bool) -> list[int]:
        """The ids; with `special`, the tokens that begin a text are added."""
        ...


def reader(
    tokenizer: TokenizerWrapper, added: Mapping[int, AddedToken], control: set[str], wedge: str
) -> WedgedReader:
    """Reads as `tokenizer` does, which has the tokens `added`, some of them of `control`."""
    backend = backend_of(tokenizer)
    if backend is None:
        return _InParts(tokenizer, added, control, wedge)
    return _UnderSecretNames(backend, added, control, wedge=wedge, unknown=tokenizer.unk_token_id)


def backend_of(tokenizer: TokenizerWrapper) -> Tokenizer | None:
    """What does all the work of a tokenizer; None where Python code takes part in it."""
    inner: Any = tokenizer._tokenizer
    if type(inner).encode.__qualname__ != "PreTrainedTokenizerBase.encode":
        return None
    return getattr(inner, "backend_tokenizer", None)


def without_wedges(text: str, wedge: str) -> str:
    """The text as it was typed."""
    return re.sub(_wedges(wedge), "", text)


def any_of(words: Iterable[str]) -> str:
    """A regex of the longest of `words` that fits; as fast for thousands as for one."""
    kinds = sorted(set(words))
    pairs = enumerate(zip(kinds[0], kinds[-1], strict=False))
    common = next((place for place, (a, b) in pairs if a != b), len(kinds[0]))
    start = kinds[0][:common]
    branches: dict[str, list[str]] = {}
    for rest in (word[len(start) :] for word in kinds):
        branches.setdefault(rest[:1], []).append(rest)
    optional = "?" if branches.pop("", None) else ""
    longer = "|".join(any_of(branch) for branch in branches.values())
    return re.escape(start) + (f"(?:{longer}){optional}" if longer else "")


class _UnderSecretNames:
    """A tokenizer with the same parts, where control tokens have the wedge before their names."""

    def __init__(
        self,
        backend: Tokenizer,
        added: Mapping[int, AddedToken],
        control: set[str],
        *,
        wedge: str,
        unknown: int | None,
    ) -> None:
        self._wedge = wedge
        self._pattern = re.compile(f"(?P<wedge>{_wedges(wedge)})|{any_of(control)}")
        self._model: Any = backend.model
        # It shares the model, which has nearly all of the memory.
        self._tokenizer: Any = Tokenizer(self._model)
        self._tokenizer.normalizer = backend.normalizer
        self._tokenizer.pre_tokenizer = backend.pre_tokenizer
        self._tokenizer.post_processor = backend.post_processor
        named = {
            (wedge + token.content if token.content in control else token.content): (id, token)
            for id, token in sorted(added.items())
        }
        self._tokenizer.add_tokens([_named(token, name) for name, (_, token) in named.items()])
        # Ids are given anew to tokens that the model itself does not have.
        self._ids = {name: id for name, (id, _) in named.items()}
        self._control = {id for id, token in added.items() if token.content in control} - {unknown}

    def encode(self, text: str, *, special: bool) -> list[int]:
        named = self._pattern.sub(self._name, text)
        read = self._tokenizer.encode(named, add_special_tokens=special)
        ids: list[int] = []
        for id, token, begins in zip(read.ids, read.tokens, read.special_tokens_mask, strict=True):
            known = self._ids.get(token)
            if known is None and id in self._control and not begins:
                ids += self._in_pieces(token)
            else:
                ids.append(id if known is None else known)
        return ids

    def _name(self, match: re.Match[str]) -> str:
        return "" if match.lastgroup else self._wedge + match[0]

    def _in_pieces(self, token: str) -> list[int]:
        """Some models make a control token of its text by themselves."""
        tokens = [each for text in (token[:1], token[1:]) for each in self._model.tokenize(text)]
        return [
            id
            for each in tokens
            for id in (
                self._in_pieces(each.value)
                if each.id in self._control and len(each.value) > 1
                else [each.id]
            )
        ]


class _InParts:
    """Reads what is between added tokens part by part."""

    def __init__(
        self,
        tokenizer: TokenizerWrapper,
        added: Mapping[int, AddedToken],
        control: set[str],
        wedge: str,
    ) -> None:
        self._encode: Callable[..., list[int]] = tokenizer._tokenizer.encode
        self._ids = {token.content: id for id, token in added.items()}
        self._control = {self._ids[token] for token in control} - {tokenizer.unk_token_id}
        self._whole = re.compile(any_of(self._ids))
        self._wedge = wedge
        self._wedges = re.compile(_wedges(wedge))

    def encode(self, text: str, *, special: bool) -> list[int]:
        ids = self._encode("", add_special_tokens=special)
        place = 0
        for match in self._whole.finditer(text):
            ids += self._between(text[place : match.start()])
            ids.append(self._ids[match[0]])
            place = match.end()
        return ids + self._between(text[place:])

    def _between(self, text: str) -> list[int]:
        pieces = self._wedges.split(text)
        whole = "".join(pieces)
        ids = self._encode(whole, add_special_tokens=False, split_special_tokens=len(pieces) > 1)
        if self._control.isdisjoint(ids):
            return ids
        return [id for piece in pieces for id in self._encode(piece, add_special_tokens=False)]


def _wedges(wedge: str) -> str:
    """A regex of the wedge, also as JSON in ASCII writes it, which may stand in JSON itself."""
    return rf"{wedge}|\\+u(?i:{ord(wedge):04x})"


def _named(token: AddedToken, name: str) -> AddedToken:
    return AddedToken(
        name,
        single_word=token.single_word,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        normalized=token.normalized,
    )
