"""Models that tell how well documents answer a query, reading both together."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import Kind, KindFacts, KindOptions, ModelFacts
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.checkpoint import INDEX_FILE, DamagedFile, read_tensors
from mlx_gui.kinds.encoder_files import encoder_facts, encoder_sizes
from mlx_gui.kinds.encoder_plan import REQUESTS_TOGETHER, EncoderSizes, plan_encoder
from mlx_gui.kinds.judges import JUDGING_TYPES, Judge, judge_of
from mlx_gui.kinds.sentence_files import longest_input

_LABELS = ("classifier.weight", "classifier.out_proj.weight", "score.weight")
"""The layer whose rows are the labels, by the names that the architectures have for it."""


class RerankRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="rerank"):
    """How well each of `documents` answers `query`.

    Answered by one Result for each document, in any order: a packed 32-bit float, the higher the
    better. With `truncate` the end of what is too long is left out; None leaves that to the
    model's settings. `instruction` says what answers a query, to models that were trained to be
    told; others leave it out.
    """

    query: str
    documents: tuple[str, ...]
    truncate: bool | None = None
    instruction: str | None = None


class RerankerFacts(KindFacts, msgspec.Struct, frozen=True):
    """The longest pair of a query and a document, in tokens; `judge` is how a chat is asked."""

    longest_tokens: int
    values_per_token: int = 0
    attention_heads: int = 0
    tokenizer_bytes: int = 0
    judge: Judge | None = None


class RerankerOptions(KindOptions, msgspec.Struct, frozen=True, tag="reranker"):
    """`slots` requests are answered together; `truncate` is for those that do not say."""

    slots: int
    longest_tokens: int
    truncate: bool = False
    judge: Judge | None = None


class RerankerKind:
    """Cross-encoders, whose chance of their one label is how well a document answers; and chats
    that were trained to say so."""

    name: Kind = "reranker"
    engine = "mlx_gui.engines.reranker.engine"
    requests: tuple[type[WorkerRequest], ...] = (RerankRequest,)
    options: type[KindOptions] = RerankerOptions
    facts: type[KindFacts] = RerankerFacts
    library = "mlx-vlm"
    architectures = "mlx_gui.engines.reranker.architectures"
    scripted: Mapping[str, ModelFacts] = MappingProxyType(
        {
            "reranker": ModelFacts(
                kind="reranker",
                model_type="fake",
                capabilities=("reranking",),
                parameter_count=12_500_000,
                stored_bytes=50_000_000,
                largest_tensor_parameters=1_000_000,
                own=RerankerFacts(longest_tokens=512),
            )
        }
    )
    weight_files: tuple[str, ...] = ("*.safetensors", INDEX_FILE)

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Claims known judges, and all classifiers: with several labels one says what a text is."""
        model_type = config.get("model_type")
        classifies = "ForSequenceClassification" in str(config.get("architectures", ""))
        judge = None if classifies else judge_of(folder, config)
        if not (classifies or judge) or not isinstance(model_type, str):
            return None
        if classifies and model_type in JUDGING_TYPES:
            return Recognised(
                None,
                f"It is a {model_type} that was made a classifier, which the library does not "
                "load; the chat that it was made of is served as a reranker.",
            )
        try:
            labels = 1 if judge else _labels(folder)
            if labels != 1:
                return Recognised(
                    None, f"It is a classifying model with {labels} labels, which is not served."
                )
            sizes = encoder_sizes(folder, config, longest=longest_input(folder))
            own = RerankerFacts(
                sizes.longest_tokens,
                sizes.values_per_token,
                sizes.attention_heads,
                sizes.tokenizer_bytes,
                judge,
            )
            facts = encoder_facts(
                folder, config, kind=self.name, capabilities=("reranking",), own=own
            )
        except DamagedFile as problem:
            return Recognised(None, str(problem))
        return Recognised(facts, None)

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        """See `plan_encoder`."""
        own = asked.facts.own
        assert isinstance(own, RerankerFacts), "it has recognised the model"

        def options(longest_tokens: int) -> RerankerOptions:
            return RerankerOptions(
                REQUESTS_TOGETHER, longest_tokens, asked.settings.truncate, own.judge
            )

        sizes = EncoderSizes(
            own.longest_tokens,
            own.values_per_token,
            own.attention_heads,
            own.tokenizer_bytes,
        )
        return plan_encoder(asked, sizes, options)


def _labels(folder: Path) -> int:
    """How many classes the model knows. Raises DamagedFile."""
    shapes = {tensor.name: tensor.shape for tensor in read_tensors(folder)}
    for name in _LABELS:
        if shape := shapes.get(name):
            return shape[0]
    raise DamagedFile("Its weights have no layer of labels, so it does not classify.")
