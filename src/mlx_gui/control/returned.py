"""What came back to the system when a worker ended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryReturned:
    """What the worker held at the end, and what was available before and after it ended."""

    held_bytes: int
    available_before_bytes: int
    available_after_bytes: int
