"""The table of API families, and what puts them onto the application."""

from collections.abc import Iterable

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route

from mlx_gui.api.anthropic.errors import error_body as anthropic_error_body
from mlx_gui.api.anthropic.messages import routes as messages
from mlx_gui.api.bodies import Aside
from mlx_gui.api.border import Border
from mlx_gui.api.errors import ErrorResponses
from mlx_gui.api.family import Family
from mlx_gui.api.guard import Guard, rules
from mlx_gui.api.intakes import Intakes
from mlx_gui.api.manage.addresses import routes as addresses
from mlx_gui.api.manage.aliases import routes as aliases
from mlx_gui.api.manage.benchmarks import routes as benchmarks
from mlx_gui.api.manage.conversions import routes as conversions
from mlx_gui.api.manage.discover import routes as discover
from mlx_gui.api.manage.disk import routes as disk
from mlx_gui.api.manage.downloads import routes as downloads
from mlx_gui.api.manage.events import routes as events
from mlx_gui.api.manage.history import routes as history
from mlx_gui.api.manage.imports import routes as imports
from mlx_gui.api.manage.jobs import routes as jobs
from mlx_gui.api.manage.logs import routes as logs
from mlx_gui.api.manage.metrics import routes as metrics
from mlx_gui.api.manage.model_settings import routes as settings
from mlx_gui.api.manage.model_texts import routes as model_texts
from mlx_gui.api.manage.models import routes as residency
from mlx_gui.api.manage.notices import routes as notices
from mlx_gui.api.manage.plan import routes as plan
from mlx_gui.api.manage.plan.changed import install_plan_changed
from mlx_gui.api.manage.removals import routes as removals
from mlx_gui.api.manage.requests import routes as requests
from mlx_gui.api.manage.revisions import routes as revisions
from mlx_gui.api.manage.safe_mode import routes as safe_mode
from mlx_gui.api.manage.samples import routes as samples
from mlx_gui.api.manage.server_settings import routes as server_settings
from mlx_gui.api.manage.status import routes as status
from mlx_gui.api.ollama import unserved as ollama_unserved
from mlx_gui.api.ollama.catalog import routes as ollama_catalog
from mlx_gui.api.ollama.chat import routes as ollama_chat
from mlx_gui.api.ollama.embed import routes as ollama_embed
from mlx_gui.api.ollama.errors import error_body as ollama_error_body
from mlx_gui.api.ollama.generate import routes as ollama_generate
from mlx_gui.api.ollama.models import routes as ollama_models
from mlx_gui.api.ollama.pull import routes as ollama_pull
from mlx_gui.api.openai.chat import routes as chat
from mlx_gui.api.openai.completions import routes as completions
from mlx_gui.api.openai.embeddings import routes as embeddings
from mlx_gui.api.openai.errors import error_body
from mlx_gui.api.openai.models import routes as models
from mlx_gui.api.openai.rerank import routes as rerank
from mlx_gui.api.openai.responses import routes as responses
from mlx_gui.api.openai.speech import routes as speech
from mlx_gui.api.openai.tokens import routes as tokens
from mlx_gui.api.openai.transcriptions import routes as transcriptions
from mlx_gui.api.openapi import describe
from mlx_gui.api.paths import AnyReadingMethod, OnePath
from mlx_gui.api.raised import answer_raised
from mlx_gui.api.services import Services

# A request is held against one route after the other: those that models are asked by come first.
FAMILIES = (
    Family(
        "openai",
        "/v1/",
        (
            models.router,
            chat.router,
            completions.router,
            embeddings.router,
            rerank.router,
            tokens.router,
            responses.router,
            transcriptions.router,
            speech.router,
        ),
        error_body,
    ),
    Family("anthropic", "/v1/messages", (messages.router,), anthropic_error_body),
    Family(
        "ollama",
        "/api/",
        (
            ollama_chat.router,
            ollama_generate.router,
            ollama_embed.router,
            ollama_models.router,
            ollama_pull.router,
            ollama_catalog.router,
            ollama_unserved.router,
        ),
        ollama_error_body,
    ),
    Family(
        "manage",
        "",
        (
            imports.router,
            conversions.router,
            benchmarks.router,
            residency.router,
            plan.router,
            settings.router,
            model_texts.router,
            revisions.router,
            removals.router,
            aliases.router,
            server_settings.router,
            status.router,
            addresses.router,
            samples.router,
            history.router,
            disk.router,
            jobs.router,
            discover.router,
            downloads.router,
            safe_mode.router,
            requests.router,
            notices.router,
            logs.router,
            metrics.router,
            events.router,
        ),
        error_body,
    ),
)


def routes_of(families: Iterable[Family]) -> tuple[BaseRoute, ...]:
    """All routes of `families`, in the order in which they match.

    Paths with a name in them come last, and of those what follows a name before the name alone.
    """
    routers = (router for family in families for router in family.routers)
    return tuple(sorted((route for router in routers for route in router.routes), key=_place))


def _place(route: BaseRoute) -> tuple[bool, int]:
    path = route.path if isinstance(route, Route) else ""
    return (True, -len(path)) if "{" in path else (False, 0)


def add_routes(app: FastAPI) -> None:
    """Have `app` match every family's routes, as they are: nothing is to be built a second time."""
    app.router.routes.extend(routes_of(FAMILIES))


def install(app: FastAPI, services: Services) -> None:
    """Add every family's routes to `app`, and before them what no request passes without."""
    app.state.services = services
    app.state.aside = Aside()
    app.router.redirect_slashes = False
    add_routes(app)
    errors = ErrorResponses(FAMILIES)
    answer_raised(app, errors)
    install_plan_changed(app, services, errors)
    describe(app)
    # The last one added is the first to see a request.
    app.add_middleware(AnyReadingMethod)
    app.add_middleware(
        Guard,
        rules=services.server.settings.view(rules),
        errors=errors,
        intake_of=Intakes(routes_of(FAMILIES)).of,
    )
    app.add_middleware(Border, errors=errors)
    app.add_middleware(OnePath)
