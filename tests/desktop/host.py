"""A host of trays on a session bus of its own, as a desktop has one: it reads and clicks.

The names on the bus are those of the protocols: StatusNotifierWatcher, dbusmenu, Notifications.
"""

import asyncio
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method

from tests.support.waiting import wait_until

WATCHER = "org.kde.StatusNotifierWatcher"
NOTIFICATIONS = "org.freedesktop.Notifications"
DEADLINE_S = 60.0

Line = tuple[int, str]
Result = TypeVar("Result")
Texts = Annotated[list[str], DBusSignature("as")]
Hints = Annotated[dict[str, Variant], DBusSignature("a{sv}")]


class Watcher(ServiceInterface):
    """Keeps the names of the items that have come."""

    def __init__(self) -> None:
        super().__init__(WATCHER)
        self.items: list[str] = []

    @dbus_method()
    def RegisterStatusNotifierItem(self, service: DBusStr) -> None:
        self.items.append(service)


class Notifications(ServiceInterface):
    """Keeps title and text of what was notified."""

    def __init__(self) -> None:
        super().__init__(NOTIFICATIONS)
        self.told: list[tuple[str, str]] = []

    @dbus_method()
    def Notify(
        self,
        program: DBusStr,
        replaces: DBusUInt32,
        icon: DBusStr,
        title: DBusStr,
        text: DBusStr,
        actions: Texts,
        hints: Hints,
        shown_ms: DBusInt32,
    ) -> DBusUInt32:
        self.told.append((title, text))
        return 1


class Host:
    """The desktop's side; its methods wait for the answer."""

    def __init__(self, address: str) -> None:
        self.watcher, self.notifications = Watcher(), Notifications()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._bus = self._wait(self._connect(address))

    def close(self) -> None:
        self._wait(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hide(self) -> None:
        """As if the desktop's panel had crashed, and come back."""
        self.watcher.items.clear()
        self._wait(self._name(release=True))
        self._wait(self._name(release=False))

    def property(self, name: str) -> Any:
        """Of the icon."""
        path, face = "/StatusNotifierItem", "org.kde.StatusNotifierItem"
        asked = ("org.freedesktop.DBus.Properties", "Get", "ss", [face, name])
        return self._ask(path, *asked)[0].value

    def menu(self) -> list[Line]:
        """Id and label of each entry, of submenus too; ` ✓` or ` -` for what can be checked."""
        _, root = self._ask("/MenuBar", "com.canonical.dbusmenu", "GetLayout", "iias", [0, -1, []])
        return list(_lines(root))

    def labels(self) -> list[str]:
        return [label for _, label in self.menu()]

    def wait_for(self, label: str) -> int:
        """The id of the entry that begins so, once it is there."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [number for number, text in self.menu() if text.startswith(label)]
            return bool(found)

        wait_until(look, what=f"{label!r} in the menu", deadline_s=DEADLINE_S)
        return found[0]

    def click(self, label: str) -> None:
        """On the entry that begins so, once it is there."""
        self.click_id(self.wait_for(label))

    def click_id(self, number: int) -> None:
        body = [number, "clicked", Variant("s", ""), 0]
        self._ask("/MenuBar", "com.canonical.dbusmenu", "Event", "isvu", body)

    def _ask(self, path: str, face: str, member: str, signature: str, body: list[Any]) -> Any:
        wait_until(lambda: self.watcher.items, what="the tray", deadline_s=DEADLINE_S)
        called = Message(
            destination=self.watcher.items[-1],
            path=path,
            interface=face,
            member=member,
            signature=signature,
            body=body,
        )
        answer = self._wait(self._bus.call(called))
        assert answer.message_type == MessageType.METHOD_RETURN, answer.body
        return answer.body

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    async def _connect(self, address: str) -> MessageBus:
        bus = await MessageBus(bus_address=address).connect()
        bus.export("/StatusNotifierWatcher", self.watcher)
        bus.export("/org/freedesktop/Notifications", self.notifications)
        for name in (WATCHER, NOTIFICATIONS):
            await bus.request_name(name)
        return bus

    async def _leave(self) -> None:
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()

    async def _name(self, *, release: bool) -> None:
        await (self._bus.release_name(WATCHER) if release else self._bus.request_name(WATCHER))


def _lines(item: list[Any]) -> Iterator[Line]:
    number, facts, children = item
    if "label" in facts:
        label = facts["label"].value.replace("__", "_")
        if "toggle-state" in facts:
            label += " ✓" if facts["toggle-state"].value else " -"
        yield number, label
    for child in children:
        yield from _lines(child.value)


@contextmanager
def session_bus() -> Iterator[str]:
    """The address of a bus that ends with the block."""
    with subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE
    ) as daemon:
        try:
            assert daemon.stdout is not None
            yield daemon.stdout.readline().decode().strip()
        finally:
            daemon.terminate()
