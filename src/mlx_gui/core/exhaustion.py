"""How libraries say that they got no memory, so that it is not taken for another fault."""

_SIGNS = (
    "memoryerror",
    "bad_alloc",
    "unable to allocate",
    "attempting to allocate",
    "cannot allocate memory",
    "insufficient memory",
    "outofmemory",
    "out of memory",
    # Metal has a bound on the number of buffers, too; less to hold is what helps there.
    "[metal::malloc] resource limit",
    # The tokenizers' library, before it aborts.
    "memory allocation of",
    # The loader's words for a library, and Python's for a thread whose stack has no room.
    "failed to map segment",
    "can't start new thread",
    "resource temporarily unavailable",
)


def says_out_of_memory(text: str) -> bool:
    """Whether `text`, an error's or a process's last words, tells of memory that was not there."""
    folded = text.casefold()
    return any(sign in folded for sign in _SIGNS)
