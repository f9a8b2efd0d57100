"""The menu on the bus: `com.canonical.dbusmenu`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from dbus_fast import Variant
from dbus_fast.annotations import (
    DBusBool,
    DBusInt32,
    DBusSignature,
    DBusStr,
    DBusUInt32,
    DBusVariant,
)
from dbus_fast.constants import PropertyAccess
from dbus_fast.errors import DBusError
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from mlx_gui.desktop.menu_model import Action, Entry

MENU_PATH = "/MenuBar"
_VERSION = 3
_READ = PropertyAccess.READ

Names = Annotated[list[str], DBusSignature("as")]
Ids = Annotated[list[int], DBusSignature("ai")]
Clicks = Annotated[list[list[Any]], DBusSignature("a(isvu)")]
Layout = Annotated[tuple[int, list[Any]], DBusSignature("u(ia{sv}av)")]
Properties = Annotated[list[list[Any]], DBusSignature("a(ia{sv})")]
TwoIds = Annotated[tuple[list[int], list[int]], DBusSignature("aiai")]
Updated = Annotated[tuple[int, int], DBusSignature("ui")]


@dataclass(slots=True)
class _Item:
    id: int
    entry: Entry
    children: list["_Item"] = field(default_factory=list["_Item"])


class DbusMenu(ServiceInterface):
    """Names of methods and properties are the protocol's.

    An id stands for one action for as long as this lives: whoever clicks in a menu that is no
    longer the present one gets what he has read.
    """

    def __init__(self, chosen: Callable[[Action], None]) -> None:
        super().__init__("com.canonical.dbusmenu")
        self._chosen = chosen
        self._ids: dict[object, int] = {}
        self._actions: dict[int, Action] = {}
        self._revision = 0
        self._root = _Item(0, Entry("root"))
        self._shown: dict[int, _Item] = {0: self._root}

    def draw(self, menu: tuple[Entry, ...]) -> None:
        """Have the host ask anew, if it is another menu than before."""
        if menu == self._root.entry.entries:
            return
        self._root = _Item(0, Entry("root", entries=menu))
        self._root.children = list(self._items(menu, place=(), taken=set()))
        self._shown = {item.id: item for item in _all(self._root)}
        self._revision += 1
        self.LayoutUpdated()

    def _items(
        self, entries: tuple[Entry, ...], *, place: tuple[int, ...], taken: set[object]
    ) -> Iterator[_Item]:
        """Items of `entries` at `place`; `taken` are the actions that have one already."""
        for number, entry in enumerate(entries):
            here = (*place, number)
            meant = here if entry.action is None else entry.action
            key = (here, meant) if meant in taken else meant
            taken.add(meant)
            known = self._ids.setdefault(key, len(self._ids) + 1)
            if entry.action is not None:
                self._actions[known] = entry.action
            children = list(self._items(entry.entries, place=here, taken=taken))
            yield _Item(known, entry, children)

    @dbus_property(access=_READ)
    def Version(self) -> DBusUInt32:
        return _VERSION

    @dbus_property(access=_READ)
    def TextDirection(self) -> DBusStr:
        return "ltr"

    @dbus_property(access=_READ)
    def Status(self) -> DBusStr:
        return "normal"

    @dbus_property(access=_READ)
    def IconThemePath(self) -> Names:
        return []

    @dbus_method()
    def GetLayout(self, parent: DBusInt32, depth: DBusInt32, names: Names) -> Layout:
        return self._revision, _layout(self._item(parent), depth)

    @dbus_method()
    def GetGroupProperties(self, ids: Ids, names: Names) -> Properties:
        items = [self._shown[each] for each in ids if each in self._shown]
        return [[item.id, _facts(item.entry)] for item in items]

    @dbus_method()
    def GetProperty(self, item: DBusInt32, name: DBusStr) -> DBusVariant:
        facts = _facts(self._item(item).entry)
        if name not in facts:
            raise DBusError("org.freedesktop.DBus.Error.InvalidArgs", f"no property {name}")
        return facts[name]

    @dbus_method()
    def Event(self, item: DBusInt32, kind: DBusStr, data: DBusVariant, at: DBusUInt32) -> None:
        self._click(item, kind)

    @dbus_method()
    def EventGroup(self, events: Clicks) -> Ids:
        for item, kind, *_ in events:
            self._click(item, kind)
        return []

    @dbus_method()
    def AboutToShow(self, item: DBusInt32) -> DBusBool:
        return False

    @dbus_method()
    def AboutToShowGroup(self, ids: Ids) -> TwoIds:
        return [], []

    @dbus_signal()
    def LayoutUpdated(self) -> Updated:
        return [self._revision, 0]  # pyright: ignore[reportReturnType]

    def _item(self, wanted: int) -> _Item:
        if wanted not in self._shown:
            raise DBusError("org.freedesktop.DBus.Error.InvalidArgs", f"no entry {wanted}")
        return self._shown[wanted]

    def _click(self, item: int, kind: str) -> None:
        if kind == "clicked" and (action := self._actions.get(item)) is not None:
            self._chosen(action)


def _all(item: _Item) -> Iterator[_Item]:
    yield item
    for child in item.children:
        yield from _all(child)


def _layout(item: _Item, depth: int) -> list[Any]:
    """As deep as `depth`, all of it for -1."""
    children = [] if depth == 0 else item.children
    inner = [Variant("(ia{sv}av)", _layout(child, depth - 1)) for child in children]
    return [item.id, _facts(item.entry), inner]


def _facts(entry: Entry) -> dict[str, Variant]:
    if not entry.label:
        return {"type": Variant("s", "separator")}
    # One underscore would mark a letter for the keyboard.
    facts = {"label": Variant("s", entry.label.replace("_", "__"))}
    if entry.entries:
        facts["children-display"] = Variant("s", "submenu")
    elif entry.action is None:
        facts["enabled"] = Variant("b", False)
    if entry.checked is not None:
        facts["toggle-type"] = Variant("s", "checkmark")
        facts["toggle-state"] = Variant("i", int(entry.checked))
    return facts
