"""Which architectures of rerankers the installed mlx-vlm knows."""

from mlx_gui.engines.encoder.architectures import known_encoders
from mlx_gui.engines.text.architectures import supported_model_types as known_chats
from mlx_gui.kinds.judges import JUDGING_TYPES


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be loaded, sorted."""
    classifiers = known_encoders(
        "SequenceClassifierOutput",
        loader="reranker_loader.py",
        aliases="SEQUENCE_CLASSIFIER_MODEL_REMAPPING",
        of_class="SequenceClassificationModel",
    )
    judges = set(JUDGING_TYPES).intersection(known_chats())
    return tuple(sorted({*classifiers, *judges}))
