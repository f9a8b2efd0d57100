"""Which architectures of embedding models the installed mlx-vlm knows."""

from mlx_gui.engines.encoder.architectures import known_encoders


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be loaded, sorted."""
    return known_encoders(
        "EmbeddingOutput",
        loader="embedding_loader.py",
        aliases="EMBEDDING_MODEL_REMAPPING",
        of_class="Model",
    )
