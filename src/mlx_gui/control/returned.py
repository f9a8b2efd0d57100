"""The proof that a worker's memory came back."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryReturned:
    """What the worker held, and what the machine had available before and after its end."""

    held_bytes: int
    available_before_bytes: int
    available_after_bytes: int
