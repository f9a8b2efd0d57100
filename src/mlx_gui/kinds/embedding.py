"""Models that make vectors of texts. On disk they are recognised and not served yet."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import Kind, KindFacts, KindOptions, LoadSpec, MemoryNeed, ModelFacts
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.checkpoint import INDEX_FILE
from mlx_gui.kinds.memory import PROCESS_BYTES

MODEL_TYPES = (
    *("albert", "bert", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet"),
    *("new", "nomic_bert", "roberta", "xlm-roberta"),
)
_POOLING_FILES = ("1_Pooling", "modules.json")
_REQUESTS_TOGETHER = 8


class EmbedRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="embed"):
    """Texts, or token ids, to make vectors of; of length 1, so that a product tells likeness.

    Answered by one Result for each input, in any order: packed 32-bit floats, `dimensions` of them
    or as many as the model makes.
    """

    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None


class EmbeddingFacts(KindFacts, msgspec.Struct, frozen=True):
    """The length of the vectors, and of the longest input in tokens."""

    dimensions: int
    longest_tokens: int


class EmbeddingOptions(KindOptions, msgspec.Struct, frozen=True, tag="embedding"):
    """`slots` requests are answered together; the others are as in the facts."""

    slots: int
    dimensions: int
    longest_tokens: int


class EmbeddingKind:
    """Encoders, and what sentence-transformers has made of other architectures."""

    name: Kind = "embedding"
    engine = ""
    requests: tuple[type[WorkerRequest], ...] = (EmbedRequest,)
    options: type[KindOptions] = EmbeddingOptions
    facts: type[KindFacts] = EmbeddingFacts
    library = ""
    architectures = ""
    scripted: Mapping[str, ModelFacts] = MappingProxyType(
        {
            "embedding": ModelFacts(
                kind="embedding",
                model_type="fake",
                capabilities=("embedding",),
                parameter_count=12_500_000,
                stored_bytes=50_000_000,
                largest_tensor_parameters=1_000_000,
                own=EmbeddingFacts(dimensions=64, longest_tokens=512),
            )
        }
    )
    weight_files: tuple[str, ...] = ("*.safetensors", INDEX_FILE)

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        if "ForSequenceClassification" in str(config.get("architectures", "")):
            return None
        pools = any((folder / name).exists() for name in _POOLING_FILES)
        if not pools and config.get("model_type") not in MODEL_TYPES:
            return None
        return Recognised(None, "mlx-gui serves text models so far; this is an embedding model.")

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        """Weights as they are stored, and a process; what computing takes is not known yet."""
        own = asked.facts.own
        assert isinstance(own, EmbeddingFacts), "it has recognised the model"
        options = EmbeddingOptions(_REQUESTS_TOGETHER, own.dimensions, own.longest_tokens)
        spec = LoadSpec(
            asked.model.id, asked.model.path, self.name, asked.engine, "stored", options
        )
        weights_bytes = asked.facts.stored_bytes
        process_bytes = PROCESS_BYTES[asked.device.backend]
        need = MemoryNeed(
            weights_bytes=weights_bytes,
            kv_bytes=0,
            overhead_bytes=process_bytes,
            load_peak_bytes=weights_bytes + process_bytes,
            process_bytes=process_bytes,
        )
        return LoadPlanned(spec, asked.corrected(spec, need))
