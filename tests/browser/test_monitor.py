"""Monitor: what it shows is what the server measured, and what runs is ended from there."""

import asyncio
import math
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from mlx_gui.core.chart_mark import ChartMark
from mlx_gui.core.request_record import Phases, RequestRecord, TokenCounts
from mlx_gui.store.requests import Bounds, RequestStore
from mlx_gui.store.samples import ModelParts, Sample, SampleStore
from tests.browser.axe import axe, looks
from tests.browser.conftest import OpenPage
from tests.browser.pages import Theme
from tests.browser.visiting import endless_answer, unload_all
from tests.support.server import Server, first_start, running_server

PATH = "/admin/monitor"
GB = 1_000_000_000
HOUR_S = 3600
SPAN_S = 60
MODEL = "fake/echo"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that has run for the hour before, with a hole of ten minutes in the middle."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(first_start(), folder / "data")
    # Playwright's own loop has this thread.
    with ThreadPoolExecutor(1) as aside:
        hour = remember_an_hour(folder / "data", until_s=int(time.time()))
        aside.submit(asyncio.run, hour).result()
    with running_server(folder) as server:
        yield server


async def remember_an_hour(data_dir: Path, *, until_s: int) -> None:
    begin_s = until_s - until_s % 10 - HOUR_S
    samples = SampleStore(data_dir)
    marks = [
        ChartMark(begin_s + 300, "load", MODEL, None, "asked for"),
        ChartMark(begin_s + 2400, "evict", "fake/slow", MODEL, "there was no room"),
        ChartMark(begin_s + 2700, "failure", "fake/crash", None, "It crashed."),
    ]
    for second in range(0, HOUR_S, SPAN_S):
        if not 1500 <= second < 2100:
            await samples.add(sample(begin_s + second, second), marks)
            marks = []
    samples.close()
    records = RequestStore(data_dir)
    kept = [record(n, begin_s + 60 + n * 90) for n in range(38)]
    await records.add(kept, bounds=Bounds(1000, 30), now_s=until_s)
    records.close()


def sample(at_s: int, second: int) -> Sample:
    wave = math.sin(second / 420) / 2 + 0.5
    held = ModelParts(
        4 * GB, int(wave * GB), GB // 2, GB // 3, int(6000 * wave), int(SPAN_S * (20 + 30 * wave))
    )
    models = {MODEL: held}
    if second < 2400:
        models["fake/slow"] = ModelParts(2 * GB, GB // 5, 0, GB // 9, 900, 720)
    return Sample(
        at_s,
        32 * GB,
        16 * GB,
        6 * GB,
        24 * GB,
        9 * GB,
        int(wave * 4),
        int(wave * 1.9),
        models,
        SPAN_S,
        wave,
    )


def record(number: int, at_s: float) -> RequestRecord:
    failed = number == 30
    return RequestRecord(
        id=f"chatcmpl-{number}",
        request_id=f"asked-{number}",
        endpoint="/v1/chat/completions",
        model=MODEL if number % 3 else "fake/slow",
        tenant="local",
        key_id=None,
        client="curl/8",
        submitted_at=at_s,
        ended_at=at_s + 5,
        outcome="failed" if failed else "finished",
        phases=Phases(5000.0, first_token_ms=200.0 + number * 12, prefill_ms=90, decode_ms=4000),
        tokens=None if failed else TokenCounts(prompt=900, cached=666, completion=160, reasoning=0),
    )


@pytest.fixture(autouse=True)
def nothing_runs(server: Server) -> None:
    unload_all(server)


def chart(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def as_table(page: Page, title: str) -> Locator:
    """The rows of the chart's table, the newest first."""
    page.get_by_role("button", name=f"{title}: table").click()
    return page.get_by_role("region", name=f"{title}, as a table").get_by_role("row")


def test_figures_are_those_of_the_server(server: Server, open_page: OpenPage) -> None:
    page = open_page(PATH)
    expect(page.get_by_role("heading", level=1, name="Monitor")).to_be_visible()
    with server.client() as client:
        told = client.get("/v1/metrics/history").raise_for_status().json()
    kpis = page.get_by_role("region", name="Now", exact=True)
    expect(kpis).to_contain_text(re.compile(r"Prefix cache hit\s*74 %"))
    expect(kpis).to_contain_text(re.compile(r"First token p95\s*6\d\d ms"))
    expect(kpis).to_contain_text(re.compile(r"Errors, last hour\s*1"))
    assert round(told["totals"]["cache_hit"], 2) == 0.74
    row = page.get_by_role("region", name="Models in this range").get_by_role("row", name=MODEL[5:])
    figures = next(each for each in told["models"] if each["id"] == MODEL)
    expect(row.get_by_role("cell").first).to_have_text(str(figures["requests"]))
    expect(row).to_contain_text("40.0 / 40.0")


def test_a_table_has_what_its_chart_draws_and_leaves_out_what_is_unknown(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(PATH)
    rows = as_table(page, "Throughput")
    expect(rows.first).to_contain_text("generation")
    with server.client() as client:
        told = client.get("/v1/metrics/history?step=10").raise_for_status().json()
    begin_s = datetime.fromisoformat(told["start"]).astimezone(UTC).timestamp()
    rates = told["series"]["output_tokens_per_s"]
    known = {
        time.strftime("%H:%M:%S", time.gmtime(begin_s + 10 * at)): rate
        for at, rate in enumerate(rates)
        if rate is not None
    }
    shown = rows.evaluate_all(
        "rows => rows.slice(1).map(row => [...row.cells].map(c => c.innerText))"
    )
    common = [cells for cells in shown if cells[0] in known]
    assert len(common) > 200
    for moment, rate, *_ in common:
        assert abs(float(rate.removesuffix(" tok/s")) - known[moment]) <= 0.5
    gap = [begin_s + 10 * at for at, rate in enumerate(rates) if rate is None]
    assert len(gap) > 50
    moments = {cells[0] for cells in shown}
    assert time.strftime("%H:%M:%S", time.gmtime(gap[20])) not in moments
    assert any("slow unloaded for echo" in cells[-1] for cells in shown)
    assert any("crash failed" in cells[-1] for cells in shown)


def test_a_range_is_chosen_and_a_part_of_it_looked_at(open_page: OpenPage) -> None:
    page = open_page(PATH)
    page.get_by_role("radio", name="6 h").check(force=True)
    expect(page).to_have_url(re.compile("range=6h"))
    expect(page.get_by_text("every 1 min")).to_be_visible()
    page.reload()
    expect(page.get_by_role("radio", name="6 h")).to_be_checked()
    page.get_by_role("radio", name="1 h").check(force=True)
    expect(page.get_by_text("every 10 seconds")).to_be_visible()
    canvas = chart(page, "Throughput").locator(".u-over")
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from=.*to="))
    expect(
        page.get_by_text(re.compile(r"^\d\d:\d\d:\d\d to \d\d:\d\d:\d\d · every"))
    ).to_be_visible()
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile("from="))
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


@pytest.mark.soak
def test_the_pointer_names_what_happened_on_every_chart(open_page: OpenPage) -> None:
    page = open_page(PATH)
    canvas = chart(page, "Queue").locator(".u-over")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    # Two thirds of the hour, a little moved by the time that has gone since.
    for share in (0.67, 0.665, 0.66, 0.655, 0.65, 0.64, 0.63):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + 30)
        if chart(page, "Throughput").get_by_text("slow unloaded for echo").count():
            break
    expect(chart(page, "Throughput").get_by_text("slow unloaded for echo")).to_be_visible()


def test_what_runs_is_listed_with_its_phase_and_ended_on_demand(
    server: Server, open_page: OpenPage
) -> None:
    page = open_page(PATH)
    running = page.get_by_role("region", name="Running now")
    expect(running).to_contain_text("Nothing is asked right now.")
    with endless_answer(server, MODEL) as answer:
        row = page.get_by_role("row", name=re.compile("echo.*Answering"))
        expect(row).to_be_visible()
        expect(row).to_contain_text(re.compile(r"httpx"))
        expect(page.get_by_role("region", name="Now", exact=True)).to_contain_text(
            re.compile(r"1 / 0")
        )
        expect(page.get_by_role("link", name=re.compile("Memory:.*tok.s"))).to_be_visible()
        row.get_by_role("button", name="Cancel the request to echo").click()
        assert "request_cancelled" in answer.read().decode()
    expect(running).to_contain_text("Nothing is asked right now.")


def test_a_range_without_requests_keeps_its_frames(server: Server, open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?from=2024-01-01T00:00:00Z&to=2024-01-01T01:00:00Z")
    expect(page.get_by_text("No requests in this range.")).to_be_visible()
    expect(chart(page, "Throughput").locator("canvas")).to_be_visible()
    expect(chart(page, "Throughput")).to_contain_text("nothing is known")
    page.goto(f"{server.address}{PATH}?from=rubbish&to=%3Cscript%3E&range=never")
    expect(page.get_by_role("radio", name="1 h")).to_be_checked()


def test_a_range_that_the_server_refuses_is_told_with_its_hint(open_page: OpenPage) -> None:
    page = open_page(f"{PATH}?from=1950-01-01T00:00:00Z&to=2024-01-01T01:00:00Z")
    expect(page.get_by_role("alert").filter(has_text="should be after 1970")).to_be_visible()
    page.keyboard.press("0")
    expect(chart(page, "Throughput")).to_be_visible()


@pytest.mark.soak
def test_it_is_reached_by_keys_and_by_name(open_page: OpenPage) -> None:
    page = open_page("/admin/models")
    expect(page.get_by_role("heading", level=1, name="Installed models")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", level=1, name="Monitor")).to_be_visible()


@looks(390, "dark")
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    server: Server, open_page: OpenPage, axe_source: str, width: int, theme: Theme
) -> None:
    page = open_page(PATH, width=width, theme=theme)
    with endless_answer(server, MODEL):
        running = page.get_by_role("region", name="Running now")
        expect(running).to_contain_text("Answering")
        as_table(page, "Queue")
        assert axe(page, axe_source) == []
        page.set_viewport_size({"width": 320, "height": 900})
        # The charts follow in the next frames.
        page.wait_for_function("document.documentElement.scrollWidth == 320")
