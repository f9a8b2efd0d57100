"""A small file of a repo, read at once and kept nowhere."""

import time

from mlx_gui.core.errors import FetchFailed, HubAnswer, MlxGuiError
from mlx_gui.fetch.asking import Answer, Asker, Expired, Misfit

MOST_BYTES = 32 * 1024 * 1024
_MOST_TRIES = 3
_REST_S = 0.5
_MOST_S = 30.0


def read_small(
    urls: list[str], *, endpoint: str, token: str | None, agent: str, silence_s: float
) -> list[bytes]:
    """What lies at `urls`, which are asked for by threads only. Raises as `Asker.open`.

    All of it, with what is tried again, may take as long as one of them.
    """
    ends_s = time.monotonic() + _MOST_S
    asker = Asker(endpoint, token=token, agent=agent, silence_s=silence_s, connections=1)
    try:
        return [_read(asker, url, ends_s) for url in urls]
    finally:
        asker.close()


def _read(asker: Asker, url: str, ends_s: float) -> bytes:
    tried = 1
    while True:
        try:
            with asker.open(url) as answer:
                return content_of(answer, url, ends_s=ends_s)
        except Expired as gone:
            error = gone.__cause__
            assert isinstance(error, MlxGuiError)
        except Misfit as misfit:
            raise misfit.error from misfit
        except FetchFailed as failure:
            error = failure
        if tried >= _MOST_TRIES or not error.retryable or time.monotonic() > ends_s:
            raise error
        tried += 1
        time.sleep(_REST_S)


def content_of(answer: Answer, url: str, *, ends_s: float | None = None) -> bytes:
    """All of an answer that is small, read until `ends_s` on the monotonic clock at most.

    Raises HubAnswer for a large one, FetchFailed.
    """
    ends_s = time.monotonic() + _MOST_S if ends_s is None else ends_s
    content = bytearray()
    for chunk in answer.chunks():
        content += chunk
        if len(content) > MOST_BYTES:
            raise HubAnswer(f"{url} is larger than such a file can be.")
        if time.monotonic() > ends_s:
            raise FetchFailed(f"{url} did not come within {_MOST_S:.0f} s.")
    if answer.total_bytes not in (None, len(content)):
        raise FetchFailed(f"{url} ended early.")
    return bytes(content)
