"""The icon on the bus: `org.kde.StatusNotifierItem`."""

from collections.abc import Callable
from typing import Annotated

from dbus_fast.annotations import DBusBool, DBusInt32, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from mlx_gui.desktop.faces.dbus_menu import MENU_PATH
from mlx_gui.desktop.faces.face import NAME
from mlx_gui.desktop.icons import GREY, drawn
from mlx_gui.desktop.menu_model import Action, IconState, Look

ITEM_PATH = "/StatusNotifierItem"
_SIZES = (22, 44)

Pixmap = tuple[int, int, bytes]
Pixmaps = Annotated[list[Pixmap], DBusSignature("a(iiay)")]
ToolTip = Annotated[tuple[str, list[Pixmap], str, str], DBusSignature("(sa(iiay)ss)")]
_READ = PropertyAccess.READ


class NotifierItem(ServiceInterface):
    """Names of methods and properties are the protocol's."""

    def __init__(self, chosen: Callable[[Action], None]) -> None:
        super().__init__("org.kde.StatusNotifierItem")
        self._chosen = chosen
        self._icon: IconState = "stopped"
        self._title = NAME
        self._first: Action | None = None

    def draw(self, look: Look) -> None:
        """Have the host draw what is new."""
        self._first = look.first
        if look.icon != self._icon:
            self._icon = look.icon
            self.NewIcon()
            self.NewStatus()
        if look.title != self._title:
            self._title = look.title
            self.NewTitle()
            self.NewToolTip()

    @dbus_property(access=_READ)
    def Category(self) -> DBusStr:
        return "ApplicationStatus"

    @dbus_property(access=_READ)
    def Id(self) -> DBusStr:
        return NAME

    @dbus_property(access=_READ)
    def Title(self) -> DBusStr:
        return self._title

    @dbus_property(access=_READ)
    def Status(self) -> DBusStr:
        return self._status()

    @dbus_property(access=_READ)
    def IconName(self) -> DBusStr:
        return ""

    @dbus_property(access=_READ)
    def IconPixmap(self) -> Pixmaps:
        return [(size, size, _argb(self._icon, size)) for size in _SIZES]

    @dbus_property(access=_READ)
    def ToolTip(self) -> ToolTip:
        shown: list[object] = ["", list[Pixmap](), NAME, self._title]
        return shown  # pyright: ignore[reportReturnType]

    @dbus_property(access=_READ)
    def ItemIsMenu(self) -> DBusBool:
        return True

    @dbus_property(access=_READ)
    def Menu(self) -> DBusObjectPath:
        return MENU_PATH

    @dbus_method()
    def Activate(self, x: DBusInt32, y: DBusInt32) -> None:
        if self._first is not None:
            self._chosen(self._first)

    @dbus_method()
    def SecondaryActivate(self, x: DBusInt32, y: DBusInt32) -> None:
        return

    @dbus_method()
    def ContextMenu(self, x: DBusInt32, y: DBusInt32) -> None:
        return

    @dbus_method()
    def Scroll(self, delta: DBusInt32, orientation: DBusStr) -> None:
        return

    @dbus_signal()
    def NewIcon(self) -> None:
        return

    @dbus_signal()
    def NewTitle(self) -> None:
        return

    @dbus_signal()
    def NewToolTip(self) -> None:
        return

    @dbus_signal()
    def NewStatus(self) -> DBusStr:
        return self._status()

    def _status(self) -> str:
        return "NeedsAttention" if self._icon == "warning" else "Active"


def _argb(state: IconState, pixels: int) -> bytes:
    rgba = drawn(state, pixels=pixels, colour=GREY)
    argb = bytearray(len(rgba))
    argb[0::4], argb[1::4], argb[2::4], argb[3::4] = rgba[3::4], rgba[0::4], rgba[1::4], rgba[2::4]
    return bytes(argb)
