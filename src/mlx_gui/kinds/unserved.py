"""Kinds of model that other programs serve from the same folders, and this version does not."""

from collections.abc import Mapping

_VISION = "a vision model"

_BY_MODEL_TYPE: Mapping[str, str] = {
    **dict.fromkeys(("clip", "dinov2", "siglip", "siglip2", "vit"), _VISION),
    **dict.fromkeys(("florence2", "idefics3", "llava_next", "mllama", "molmo"), _VISION),
    **dict.fromkeys(("paligemma", "phi3_v", "smolvlm"), _VISION),
}

_SENSES = (
    ("vision_config", "sees"),
    ("vision_tower", "sees"),
    ("mm_vision_tower", "sees"),
    ("audio_config", "hears"),
)


def unserved_kind(config: Mapping[str, object]) -> str | None:
    """What the model with this config is, with its article, when it is none that is served."""
    return _BY_MODEL_TYPE.get(str(config.get("model_type")))


def unserved_sense(config: Mapping[str, object]) -> str | None:
    """What a model does besides writing text, as `sees`; of that nothing is read here."""
    return next((sense for name, sense in _SENSES if config.get(name) is not None), None)
