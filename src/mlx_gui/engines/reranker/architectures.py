"""Which architectures of rerankers the installed mlx-vlm knows."""

from mlx_gui.engines.encoder.architectures import known_encoders


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be loaded, sorted."""
    return known_encoders(
        "SequenceClassifierOutput",
        loader="reranker_loader.py",
        aliases="SEQUENCE_CLASSIFIER_MODEL_REMAPPING",
        of_class="SequenceClassificationModel",
    )
