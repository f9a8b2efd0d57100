"""Models that make vectors of texts."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import Kind, KindFacts, KindOptions, ModelFacts
from mlx_gui.kinds.architecture import hidden_size, language_part
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.checkpoint import INDEX_FILE, DamagedFile
from mlx_gui.kinds.encoder_files import encoder_facts, encoder_sizes
from mlx_gui.kinds.encoder_plan import REQUESTS_TOGETHER, EncoderSizes, plan_encoder
from mlx_gui.kinds.judges import judge_of
from mlx_gui.kinds.reranker import RerankRequest
from mlx_gui.kinds.sentence_files import (
    PoolingMode,
    SentenceFiles,
    Unservable,
    base_encoder,
    has_sentence_files,
    read_sentence_files,
)

MODEL_TYPES = (
    *("albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet"),
    *("new", "nomic_bert", "roberta", "xlm-roberta"),
)


class EmbedRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="embed"):
    """Texts, or token ids, to make vectors of.

    Answered by one Result for each input, in any order: packed 32-bit floats, `dimensions` of them
    or as many as the model makes. `prompt` names what is read before each text; `purpose` does so
    in the words of other servers, and is nothing to a model without such a prompt. With `truncate`
    the end of what is too long is left out. `normalize` gives vectors the length 1. None leaves it
    to the model's settings.
    """

    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    prompt: str | None = None
    purpose: str | None = None
    truncate: bool | None = None
    normalize: bool | None = None


class EmbeddingFacts(KindFacts, msgspec.Struct, frozen=True):
    """The length of the vectors, that of the longest input in tokens, and the stages of the model.

    `pooling` is empty where the files do not say it; `dense` are folders with linear layers.
    """

    dimensions: int
    longest_tokens: int
    pooling: tuple[PoolingMode, ...] = ("mean",)
    normalizes: bool = True
    dense: tuple[str, ...] = ()
    prompts: dict[str, str] = {}
    default_prompt: str | None = None
    values_per_token: int = 0
    attention_heads: int = 0
    tokenizer_bytes: int = 0


class EmbeddingOptions(KindOptions, msgspec.Struct, frozen=True, tag="embedding"):
    """`slots` requests are answered together; `truncate` is for those that do not say.

    The others are as in the facts, or as somebody has set them.
    """

    slots: int
    dimensions: int
    longest_tokens: int
    pooling: tuple[PoolingMode, ...] = ("mean",)
    normalizes: bool = True
    dense: tuple[str, ...] = ()
    prompts: dict[str, str] = {}
    default_prompt: str | None = None
    truncate: bool = False


class EmbeddingKind:
    """Encoders, and what sentence-transformers has made of other architectures."""

    name: Kind = "embedding"
    engine = "mlx_gui.engines.embedding.engine"
    requests: tuple[type[WorkerRequest], ...] = (EmbedRequest, RerankRequest)
    options: type[KindOptions] = EmbeddingOptions
    facts: type[KindFacts] = EmbeddingFacts
    library = "mlx-vlm"
    architectures = "mlx_gui.engines.embedding.architectures"
    scripted: Mapping[str, ModelFacts] = MappingProxyType(
        {
            "embedding": ModelFacts(
                kind="embedding",
                model_type="fake",
                capabilities=("embedding",),
                parameter_count=12_500_000,
                stored_bytes=50_000_000,
                largest_tensor_parameters=1_000_000,
                own=EmbeddingFacts(dimensions=64, longest_tokens=512, prompts={"query": "query: "}),
            )
        }
    )
    weight_files: tuple[str, ...] = ("*.safetensors", INDEX_FILE)

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Claims what names stages for texts, encoders, and conversions of known models."""
        model_type = config.get("model_type")
        if "ForSequenceClassification" in str(config.get("architectures", "")):
            return None
        if judge_of(folder, config):
            return None
        claims = has_sentence_files(folder) or model_type in MODEL_TYPES or base_encoder(folder)
        if not claims or not isinstance(model_type, str):
            return None
        try:
            files = read_sentence_files(folder)
            own = _own(config, files, encoder_sizes(folder, config, longest=files.longest_tokens))
            facts = encoder_facts(
                folder, config, kind=self.name, capabilities=("embedding",), own=own
            )
        except (DamagedFile, Unservable) as problem:
            return Recognised(None, str(problem))
        return Recognised(facts, None)

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        """See `plan_encoder`. Raises ModelUnsupported where nobody says how to pool."""
        own, settings = asked.facts.own, asked.settings
        assert isinstance(own, EmbeddingFacts), "it has recognised the model"
        pooling = own.pooling if settings.pooling is None else (settings.pooling,)
        if not pooling:
            raise ModelUnsupported(
                f"The files of {asked.model.id} do not say how the vectors of its tokens become "
                "that of a text.",
                hint="Its card on the hub says it. Then set it, like: mlx-gui settings "
                f"{asked.model.id} pooling=mean",
                details={"model": asked.model.id, "param": "settings.pooling"},
            )
        modes_before = max(len(own.pooling), 1)

        def options(longest_tokens: int) -> EmbeddingOptions:
            return EmbeddingOptions(
                slots=REQUESTS_TOGETHER,
                dimensions=own.dimensions
                if own.dense
                else own.dimensions // modes_before * len(pooling),
                longest_tokens=longest_tokens,
                pooling=pooling,
                normalizes={"on": True, "off": False, "model": own.normalizes}[settings.normalize],
                dense=own.dense,
                prompts={**own.prompts, **_texts(settings.prompts)},
                default_prompt=own.default_prompt,
                truncate=settings.truncate,
            )

        sizes = EncoderSizes(
            own.longest_tokens,
            own.values_per_token,
            own.attention_heads,
            own.tokenizer_bytes,
        )
        return plan_encoder(asked, sizes, options)


def _own(config: dict[str, object], files: SentenceFiles, sizes: EncoderSizes) -> EmbeddingFacts:
    width = hidden_size(language_part(config))
    if not width:
        raise DamagedFile("config.json does not say how many numbers a token has.")
    return EmbeddingFacts(
        dimensions=files.dense[-1].dimensions
        if files.dense
        else width * max(len(files.pooling), 1),
        longest_tokens=sizes.longest_tokens,
        pooling=files.pooling,
        normalizes=files.normalizes,
        dense=tuple(each.name for each in files.dense),
        prompts=dict(files.prompts or {}),
        default_prompt=files.default_prompt,
        values_per_token=sizes.values_per_token,
        attention_heads=sizes.attention_heads,
        tokenizer_bytes=sizes.tokenizer_bytes,
    )


def _texts(prompts: Mapping[str, object]) -> dict[str, str]:
    return {name: text for name, text in prompts.items() if isinstance(text, str)}
