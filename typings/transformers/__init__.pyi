"""What the engines use of the package, whose own list of its many models takes long to read."""

from typing import Any

class AutoTokenizer:
    @classmethod
    def from_pretrained(cls, *arguments: Any, **settings: Any) -> Any: ...

class AutoImageProcessor:
    @classmethod
    def from_pretrained(cls, *arguments: Any, **settings: Any) -> Any: ...

class WhisperProcessor:
    @classmethod
    def from_pretrained(cls, *arguments: Any, **settings: Any) -> Any: ...
