"""The tray as a StatusNotifierItem with a dbusmenu: KDE, GNOME with AppIndicator, others."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, DBusError, InvalidAddressError

from mlx_gui.desktop.errors import NoTray
from mlx_gui.desktop.faces.dbus_menu import MENU_PATH, DbusMenu
from mlx_gui.desktop.faces.face import NAME
from mlx_gui.desktop.faces.notifier_item import ITEM_PATH, NotifierItem
from mlx_gui.desktop.menu_model import Action, Look
from mlx_gui.desktop.notices import Notice

_WATCHER = "org.kde.StatusNotifierWatcher"
_HOSTS_COME = (
    f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{_WATCHER}'"
)
_ASK_S = 5.0
_SHOWN_MS = 10_000


def host_problem() -> str:
    """Why there is no host, as the end of a sentence; empty where one is there."""
    return asyncio.run(_host_problem())


async def _host_problem() -> str:
    if not _has_bus(os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")):
        return "there is no session bus (D-Bus)"
    try:
        async with asyncio.timeout(_ASK_S):
            bus = await MessageBus(bus_type=BusType.SESSION).connect()
            try:
                known = await _ask_bus(bus, "NameHasOwner", "s", [_WATCHER])
                return "" if known == [True] else "the session bus has no host of trays"
            finally:
                bus.disconnect()
    except (OSError, AuthError, DBusError, InvalidAddressError, EOFError, TimeoutError):
        return "the session bus (D-Bus) does not answer"


def _has_bus(address: str) -> bool:
    """Without an address the library would try one on the X display."""
    return bool(address) or os.path.exists(f"/run/user/{os.getuid()}/bus")


class StatusNotifierFace:
    """One connection to the session bus, in a loop of its own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._bus: MessageBus | None = None
        self._item: NotifierItem | None = None
        self._menu: DbusMenu | None = None

    def run(self, begun: Callable[[], None], chosen: Callable[[Action], None]) -> None:
        asyncio.run(self._run(begun, chosen))

    def show(self, look: Look) -> None:
        self._soon(self._show, look)

    def notify(self, notice: Notice) -> None:
        self._soon(self._notify, notice)

    def end(self) -> None:
        if self._ended is not None:
            self._soon(self._ended.set)

    async def _run(self, begun: Callable[[], None], chosen: Callable[[Action], None]) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._menu = DbusMenu(chosen)
        self._item = NotifierItem(chosen)
        try:
            self._bus = await MessageBus(bus_type=BusType.SESSION).connect()
        except (OSError, AuthError, InvalidAddressError, EOFError) as error:
            raise NoTray(f"The session bus (D-Bus) does not answer: {error}") from error
        bus = self._bus
        bus.export(ITEM_PATH, self._item)
        bus.export(MENU_PATH, self._menu)
        bus.add_message_handler(self._on_message)
        await _ask_bus(bus, "AddMatch", "s", [_HOSTS_COME])
        await self._register()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, chosen, Action("quit_own"))
        begun()
        gone = asyncio.create_task(bus.wait_for_disconnect())
        ended = asyncio.create_task(self._ended.wait())
        await asyncio.wait((gone, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        bus.disconnect()
        # A session that ends breaks the connection off.
        with suppress(OSError, EOFError):
            await gone

    async def _register(self) -> None:
        assert self._bus is not None
        called = Message(
            destination=_WATCHER,
            path="/StatusNotifierWatcher",
            interface=_WATCHER,
            member="RegisterStatusNotifierItem",
            signature="s",
            body=[self._bus.unique_name],
        )
        await self._bus.call(called)

    def _on_message(self, message: Message) -> None:
        """A host that comes anew is told of the item anew."""
        if message.member == "NameOwnerChanged" and message.body[2] and self._loop is not None:
            self._loop.create_task(self._register())

    def _show(self, look: Look) -> None:
        assert self._item is not None
        assert self._menu is not None
        self._item.draw(look)
        self._menu.draw(look.menu)

    def _notify(self, notice: Notice) -> None:
        assert self._bus is not None
        told = Message(
            destination="org.freedesktop.Notifications",
            path="/org/freedesktop/Notifications",
            interface="org.freedesktop.Notifications",
            member="Notify",
            signature="susssasa{sv}i",
            body=[NAME, 0, "", notice.title, notice.text, [], {}, _SHOWN_MS],
        )
        # Where nobody shows them the bus answers so, and that is all.
        self._bus.send(told)  # pyright: ignore[reportUnknownMemberType]

    def _soon(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)


async def _ask_bus(
    bus: MessageBus, member: str, signature: str, body: list[object]
) -> list[object]:
    called = Message(
        destination="org.freedesktop.DBus",
        path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus",
        member=member,
        signature=signature,
        body=body,
    )
    answer = await bus.call(called)
    if answer.message_type == MessageType.ERROR:
        raise DBusError("org.freedesktop.DBus.Error.Failed", f"{member} was refused")
    return answer.body
