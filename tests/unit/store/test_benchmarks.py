"""Benchmarks as the store keeps them."""

import asyncio
from functools import partial
from pathlib import Path

from mlx_gui.core.benchmark import Benchmark, Figures, Trial
from mlx_gui.store.benchmarks import MOST_KEPT, benchmarks_of, keep_benchmark
from mlx_gui.store.database import Store


def benchmark(number: int, *, model: str = "a") -> Benchmark:
    told = (
        Figures(Trial(512, 128, 1), 80.0, 900.0, 40.5),
        Figures(Trial(4096, 128, 1), problem="no"),
    )
    return Benchmark(f"bench-{number}", model, "0.1.0", float(number), 4096, told)


def test_they_come_back_as_they_were_the_newest_first_and_the_oldest_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = Store.open(tmp_path)
        for number in range(MOST_KEPT + 2):
            await store.write(partial(keep_benchmark, benchmark=benchmark(number)))
        other = benchmark(-1, model="b")
        await store.write(partial(keep_benchmark, benchmark=other))
        kept = await store.read(partial(benchmarks_of, model="a"))
        assert kept == [benchmark(number) for number in range(MOST_KEPT + 1, 1, -1)]
        assert await store.read(partial(benchmarks_of, model="b")) == [other]
        store.close()

    asyncio.run(scenario())
