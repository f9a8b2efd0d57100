"""What Ollama has under `/api` and this server has not, with what to use instead."""

from fastapi import APIRouter, Request, Response

from mlx_gui.core.errors import NotFound

_MODELS = (
    "Put the model's folder into one of `model_dirs`; `POST /v1/models/rescan` makes it known."
)
_UNSERVED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("/api/create", ("POST",), _MODELS),
    ("/api/push", ("POST",), "Models are not uploaded anywhere from here."),
    ("/api/blobs/{digest:path}", ("HEAD", "POST"), _MODELS),
)


async def refuse(request: Request) -> Response:
    """Raises NotFound with the hint of the path that was asked for."""
    path = request.url.path
    hint = next(hint for known, _, hint in _UNSERVED if path.startswith(known.partition("{")[0]))
    raise NotFound(f"{path} is not served here.", hint=hint)


def _refusing() -> APIRouter:
    router = APIRouter()
    for path, methods, _ in _UNSERVED:
        # Plain routes: what is not served is not described in the reference either.
        router.add_route(path, refuse, methods=list(methods))
    return router


router = _refusing()
