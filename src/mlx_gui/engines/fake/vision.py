"""The fake engine for models that see: that for text."""

from mlx_gui.engines.fake.text import create, warm

__all__ = ["create", "warm"]
