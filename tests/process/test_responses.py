"""Stored responses across the server's deaths and the passing of days."""

import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import httpx

from mlx_gui.store.database import DATABASE_FILE
from tests.process.visitor import Visitor, visited_server
from tests.support.waiting import wait_until

SERVER_SETTINGS = {"responses_retention_days": 7}


def respond(visitor: Visitor, text: str, **fields: object) -> str:
    body = {"model": "fake/echo", "input": text, **fields}
    return visitor.client.post("/v1/responses", json=body).raise_for_status().json()["id"]


def status(visitor: Visitor, id: str) -> int:
    return visitor.client.get(f"/v1/responses/{id}").status_code


def test_a_killed_server_loses_no_response_that_a_client_has_got(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with visited_server(tmp_path, settings={"slots": 4}) as visitor:
        respond(visitor, "warm")

        def ask_until_it_ends() -> None:
            with visitor.server.client() as client:
                while True:
                    body = {"model": "fake/echo", "input": "Hi"}
                    try:
                        answer = client.post("/v1/responses", json=body)
                    except httpx.HTTPError:
                        return
                    acknowledged.append(answer.json()["id"])

        askers = [threading.Thread(target=ask_until_it_ends) for _ in range(4)]
        for asker in askers:
            asker.start()
        wait_until(lambda: len(acknowledged) > 50, what="some responses")
        visitor.server.process.send_signal(signal.SIGKILL)
        visitor.server.process.wait()
        for asker in askers:
            asker.join(60)

    with visited_server(tmp_path) as again:
        assert {id for id in acknowledged if status(again, id) != 200} == set()
        respond(again, "Go on", previous_response_id=acknowledged[-1])


def test_old_responses_leave_at_the_start_unless_their_conversation_went_on(tmp_path: Path) -> None:
    with visited_server(tmp_path, settings=SERVER_SETTINGS) as visitor:
        old, begin = respond(visitor, "old"), respond(visitor, "begin")
        end = respond(visitor, "end", previous_response_id=begin)
    with closing(sqlite3.connect(tmp_path / "data" / DATABASE_FILE)) as connection, connection:
        connection.execute(
            "UPDATE responses SET created_at = '2020-01-01T00:00:00+00:00' WHERE id IN (?, ?)",
            (old, begin),
        )

    with visited_server(tmp_path, settings=SERVER_SETTINGS) as again:
        wait_until(lambda: status(again, old) == 404, what="the old response to go")
        assert status(again, begin) == status(again, end) == 200
        respond(again, "Go on", previous_response_id=end)

    with visited_server(tmp_path, settings={"responses_retention_days": 0}) as none:
        wait_until(lambda: status(none, end) == 404, what="all responses to go")
