"""Marks on the bus: each object once, and only what was asked for."""

import asyncio

from mlx_gui.bus import EventBus, Mark


def test_an_object_that_changed_often_is_one_mark_in_the_order_of_the_first_change() -> None:
    async def follow() -> list[Mark]:
        bus = EventBus()
        with bus.subscribe(["models", "memory"]) as changes:
            for _ in range(1000):
                bus.publish("models", "org/one")
                bus.publish("memory")
                bus.publish("models", "org/two")
            return await changes.next()

    marks = [Mark("models", "org/one"), Mark("memory"), Mark("models", "org/two")]
    assert asyncio.run(follow()) == marks


def test_a_topic_that_nobody_asked_for_wakes_nobody() -> None:
    async def follow() -> tuple[bool, list[Mark]]:
        bus = EventBus()
        with bus.subscribe(["manager"]) as changes:
            bus.publish("memory")
            waiting = asyncio.create_task(changes.next())
            await asyncio.sleep(0)
            early = waiting.done()
            bus.publish("manager")
            return early, await waiting

    assert asyncio.run(follow()) == (False, [Mark("manager")])


def test_who_has_left_is_told_nothing_more() -> None:
    async def follow() -> list[Mark]:
        bus = EventBus()
        with bus.subscribe(["memory"]) as first:
            pass
        with bus.subscribe(["memory"]) as second:
            bus.publish("memory")
            marks = await second.next()
        assert not first._marks
        return marks

    assert asyncio.run(follow()) == [Mark("memory")]
