"""Which models that speak the installed mlx-audio knows, and which family loads each of them.

Its registry reads the library's files and imports no MLX.
"""

from mlx_audio import registry

from mlx_gui.kinds.speech_files import family_of


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be loaded, sorted."""
    known = registry.supported_model_types("tts")
    return tuple(sorted(each for each in known if family_of(each) is not None))
