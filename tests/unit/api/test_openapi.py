"""The description of the API is whole, and holds for every route."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from mlx_gui.api.auth import authenticate
from mlx_gui.api.families import FAMILIES, routes_of
from tests.unit.api.parts import application, config, services


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return application(services(config(tmp_path_factory.mktemp("data"))))


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set[str]()
        return found.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set[str]().union(*map(references, node))
    return set()


def test_every_operation_has_an_id_of_its_own_and_a_summary(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document)]

    assert len(set(ids)) == len(ids)
    assert "create_chat_completion" in ids
    assert all(operation["summary"] for operation in operations(document))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert references(document) <= known


def test_errors_are_described_as_they_are(document: dict[str, Any]) -> None:
    for operation in operations(document):
        assert "422" not in operation["responses"]
        content = operation["responses"]["4XX"]["content"]["application/json"]
        assert content["schema"]["$ref"].endswith(("ErrorEnvelope", "/OllamaError"))


def test_the_chat_request_is_described_with_its_bounds(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/chat/completions"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    fields = document["components"]["schemas"][body.rpartition("/")[2]]["properties"]

    assert fields["temperature"]["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 2}
    text = {"type": "string", "minLength": 1}
    assert fields["stop"]["anyOf"][:2] == [
        text,
        {"type": "array", "items": text, "maxItems": 16},
    ]


@pytest.mark.parametrize(
    ("path", "method", "event"),
    [
        ("/v1/chat/completions", "post", "ChatCompletionChunk"),
        ("/v1/completions", "post", "Completion"),
        ("/v1/messages", "post", "ContentBlockDelta"),
        ("/v1/events", "get", "HelloEvent"),
    ],
)
def test_streams_are_described_by_their_events(
    document: dict[str, Any], path: str, method: str, event: str
) -> None:
    content = document["paths"][path][method]["responses"]["200"]["content"]
    events = content["text/event-stream"]["schema"]["anyOf"]

    assert {"$ref": f"#/components/schemas/{event}"} in events


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/api/chat", "OllamaChatAnswer"), ("/api/generate", "OllamaGenerateAnswer")],
)
def test_an_answer_in_lines_is_described_as_such(
    document: dict[str, Any], path: str, answer: str
) -> None:
    content = document["paths"][path]["post"]["responses"]["200"]["content"]
    schema = {"$ref": f"#/components/schemas/{answer}"}

    assert content["application/json"]["schema"] == schema
    assert content["application/x-ndjson"]["schema"] == schema


def test_every_route_asks_who_is_there(app: FastAPI) -> None:
    def asks(dependant: Dependant) -> bool:
        return any(each.call is authenticate or asks(each) for each in dependant.dependencies)

    routes = [
        route for route in iter_route_contexts(app.routes) if isinstance(route.route, APIRoute)
    ]

    assert len(routes) == len(operations(app.openapi()))
    assert all(asks(route.dependant) for route in routes)


def test_no_route_is_built_a_second_time_for_the_application(app: FastAPI) -> None:
    assert {*map(id, routes_of(FAMILIES))} <= {*map(id, app.routes)}
