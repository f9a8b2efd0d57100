"""The tokens that tell a model what stands before and behind a gap that it is to fill."""

import json
from collections.abc import Callable
from dataclasses import dataclass

_BAR = "\N{FULLWIDTH VERTICAL LINE}"


@dataclass(frozen=True, slots=True)
class FillTokens:
    """One family's: `before` and `behind` precede the two texts, `middle` comes last, if at all.

    `ends` end what is filled in, those of them that a vocabulary has, as do the three. With
    `bare_suffix` the text behind gets no space that a tokenizer writes before every text.
    """

    before: str
    behind: str
    middle: str | None
    ends: tuple[str, ...]
    suffix_first: bool = False
    bare_suffix: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Those without which a vocabulary is of another family."""
        return tuple(token for token in (self.before, self.behind, self.middle) if token)


FILL_TOKENS = (
    # Qwen coder, CodeGemma, Granite 4.
    FillTokens(
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        (
            "<|endoftext|>",
            "<|fim_pad|>",
            "<|repo_name|>",
            "<|file_sep|>",
            "<|file_separator|>",
            "<|im_start|>",
            "<|im_end|>",
            "<|end_of_text|>",
            "<eos>",
        ),
    ),
    # StarCoder, StarCoder2, Stable Code, Granite code and Granite 3.
    FillTokens(
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        (
            "<|endoftext|>",
            "<fim_pad>",
            "<file_sep>",
            "<repo_name>",
            "<filename>",
            "<reponame>",
            "<|end_of_text|>",
        ),
    ),
    # SantaCoder.
    FillTokens("<fim-prefix>", "<fim-suffix>", "<fim-middle>", ("<|endoftext|>", "<fim-pad>")),
    # CodeLlama.
    FillTokens("▁<PRE>", "▁<SUF>", "▁<MID>", ("▁<EOT>", "</s>"), bare_suffix=True),
    # DeepSeek coder.
    FillTokens(
        f"<{_BAR}fim▁begin{_BAR}>",
        f"<{_BAR}fim▁hole{_BAR}>",
        f"<{_BAR}fim▁end{_BAR}>",
        (f"<{_BAR}end▁of▁sentence{_BAR}>", "<|EOT|>"),
    ),
    # Codestral.
    FillTokens(
        "[PREFIX]", "[SUFFIX]", None, ("</s>", "[MIDDLE]"), suffix_first=True, bare_suffix=True
    ),
)
"""As the documents of the models have them; a row for each way to write them."""


def fill_tokens_of(has: Callable[[str], bool]) -> FillTokens | None:
    """The tokens of a vocabulary that `has` some texts as tokens; None if it has no such ones."""
    return next((each for each in FILL_TOKENS if all(map(has, each.marks))), None)


def names_fill_tokens(content: bytes) -> bool:
    """Whether the JSON of a tokenizer, or its beginning, has the tokens of a family as strings.

    They are among the added tokens, so that a vocabulary that comes after those is not looked at.
    """
    end = content.find(_VOCABULARY)
    if content.find(_ADDED, 0, max(0, end)) >= 0:
        content = content[:end]
    if not any(piece in content for piece in _PIECES):
        return False
    return any(
        all(any(form in content for form in forms) for forms in family) for family in _WRITTEN
    )


def _forms(token: str) -> tuple[bytes, ...]:
    """How JSON may have it. Most are written in one way alone, and files may be long."""
    texts = (json.dumps(token, ensure_ascii=False), json.dumps(token))
    return tuple(dict.fromkeys(text.encode() for text in texts))


_ADDED, _VOCABULARY = b'"added_tokens"', b'"vocab"'
_PIECES = (b"fim", b"<PRE>", b"[PREFIX]")
"""One of these is in a token of each family."""
_WRITTEN = tuple(tuple(map(_forms, each.marks)) for each in FILL_TOKENS)
