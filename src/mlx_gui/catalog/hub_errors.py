"""What goes wrong with a hub, in this program's words. No text of the hub's own is repeated."""

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlx_gui.core.errors import (
    PROGRAM_ERRORS,
    GatedModel,
    HubAnswer,
    HubUnreachable,
    MlxGuiError,
    ModelNotOnHub,
)

if TYPE_CHECKING:
    import httpx2

_TOKEN_HINT = (
    "Set the token by `mlx-gui config hub_token=…` or `hf auth login`, or make one at {}/settings/"
    "tokens."
)
_LONGEST_WAIT_S = 3600


@contextmanager
def named_hub_errors(endpoint: str) -> Generator[None]:
    """Raises what the connection raises as HubUnreachable or HubAnswer."""
    import httpx2

    try:
        yield
    except httpx2.TimeoutException:
        raise HubUnreachable(
            f"The hub at {endpoint} did not answer in time.", hint="Try again later."
        ) from None
    except httpx2.ProxyError as error:
        raise HubUnreachable(
            f"The proxy on the way to the hub at {endpoint} refuses: {_reason(error)}",
            hint="HTTP_PROXY, HTTPS_PROXY and NO_PROXY say which proxy is used.",
        ) from None
    except (httpx2.DecodingError, httpx2.InvalidURL, httpx2.UnsupportedProtocol):
        raise HubAnswer(f"What the hub at {endpoint} answered cannot be read.") from None
    except (httpx2.TransportError, ssl.SSLError) as error:
        raise HubUnreachable(
            f"The hub at {endpoint} cannot be reached: {_reason(error)}",
            hint="Look at the network, the proxy and the setting hub_endpoint. What is known of "
            "earlier answers is shown meanwhile.",
        ) from None


def refusal(answer: "httpx2.Response", endpoint: str, *, model_id: str | None, known: bool) -> None:
    """Raises what a status of 400 and more means; `known` says whether a token was sent."""
    import httpx2
    from huggingface_hub import errors
    from huggingface_hub.utils import hf_raise_for_status

    # Its text is left out: what the library makes of a stranger's JSON is not to be relied on.
    bare = httpx2.Response(answer.status_code, headers=answer.headers, request=answer.request)
    name = model_id or "what was asked for"
    try:
        hf_raise_for_status(bare)
    except errors.GatedRepoError:
        raise _gated(name, endpoint, known=known) from None
    except errors.RepositoryNotFoundError:
        raise ModelNotOnHub(
            f"The hub at {endpoint} has no model {model_id or 'like that'}, or does not show it to "
            "everybody.",
            hint="Is the id written as on the hub? For a private model: "
            + _TOKEN_HINT.format(endpoint),
            details={"model": name},
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelNotOnHub(
            f"{name} has no such revision on the hub.",
            hint="Leave `revision` out for the newest one.",
            details={"model": name, "param": "revision"},
        ) from None
    except errors.EntryNotFoundError:
        raise ModelNotOnHub(f"{name} has no such file on the hub.") from None
    except errors.DisabledRepoError:
        raise ModelNotOnHub(f"The hub has disabled {name}.") from None
    except errors.HfHubHTTPError:
        raise _by_status(answer, endpoint, name, known=known) from None
    except PROGRAM_ERRORS:
        raise HubAnswer(f"What the hub at {endpoint} answered cannot be read.") from None


def unreadable_address(must_be: str) -> HubUnreachable:
    """For an HF_ENDPOINT that is none; what stands there may be private."""
    return HubUnreachable(
        f"The address of the hub in HF_ENDPOINT is not {must_be}.",
        hint="Set HF_ENDPOINT anew, or the setting hub_endpoint.",
    )


def _gated(name: str, endpoint: str, *, known: bool) -> GatedModel:
    link = f"{endpoint}/{name}"
    if known:
        hint = f"Open {link} as the owner of your token, and ask for access there."
    else:
        hint = f"Open {link}, ask for access there. " + _TOKEN_HINT.format(endpoint)
    return GatedModel(
        f"{name} is given only to those who have asked its publisher for it.",
        hint=hint,
        details={"model": name, "link": link},
    )


def _by_status(answer: "httpx2.Response", endpoint: str, name: str, *, known: bool) -> MlxGuiError:
    status = answer.status_code
    if status == 401:
        return HubAnswer(
            f"The hub at {endpoint} does not take the token, or wants one.",
            hint=_TOKEN_HINT.format(endpoint),
        )
    if status == 403:
        return GatedModel(
            f"The hub at {endpoint} does not give {name} to "
            + ("the owner of this token." if known else "whoever has no token."),
            hint=_TOKEN_HINT.format(endpoint),
            details={"model": name, "link": f"{endpoint}/{name}"},
        )
    if status == 429:
        wait_s = _wait_s(answer.headers.get("retry-after", ""))
        when = "" if wait_s is None else f" for {wait_s} s"
        return HubUnreachable(
            f"The hub at {endpoint} asks to wait{when}: there were too many questions.",
            hint="Whoever sends a token may ask more often.",
            retry_after_s=wait_s,
        )
    if status >= 500 or status == 408:
        return HubUnreachable(
            f"The hub at {endpoint} has a fault of its own (status {status}).",
            hint="Try again later.",
            retry_after_s=_wait_s(answer.headers.get("retry-after", "")),
        )
    return HubAnswer(
        f"The hub at {endpoint} answered with status {status}.",
        hint="Is `hub_endpoint` the address of a hub?",
    )


def _wait_s(text: str) -> int | None:
    return min(int(text), _LONGEST_WAIT_S) if text.isdecimal() and len(text) < 9 else None


def _reason(error: Exception) -> str:
    said = str(error) or type(error).__name__
    return f"{said[:200].rstrip('.')}."
