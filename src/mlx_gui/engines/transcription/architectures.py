"""Which speech models the installed mlx-audio knows, and which family loads each of them.

Its registry reads the library's files and imports no MLX.
"""

from mlx_audio import registry

_FAMILIES = ("whisper", "parakeet")
"""Those that are driven window by window here."""


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be loaded, sorted."""
    known = registry.supported_model_types("stt")
    return tuple(sorted(each for each in known if family_of(each) in _FAMILIES))


def family_of(model_type: str) -> str:
    """The family of mlx-audio's that loads models of this type; the type itself where it says no
    more."""
    return registry._remapping("stt").get(model_type, model_type)
