"""Which variables of the environment are settings, and which only look like some."""

import re
from collections.abc import Collection, Mapping

from mlx_gui.core.setting_row import ENVIRONMENT_PREFIX

_OWN = frozenset(
    ENVIRONMENT_PREFIX + name
    for name in ("ADDRESS", "BENCH_MODEL", "SKIP_WEB_BUILD", "TEST_CACHE", "UI_BUILD")
)
"""Of our own build, tests and benches; who has exported one may start a server all the same."""
_LINK_NAME = re.compile(
    rf"{ENVIRONMENT_PREFIX}(?:"
    r"(?:[A-Z0-9_]+_)?SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)"
    r"|(?:[A-Z0-9_]+_)?PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR|START|END))?"
    r"|ENV_.+)"
)
_LINK_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://.*", re.DOTALL)


def settings_among(variables: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Those of `variables` whose names are `known`, but for links of containers."""
    return {
        name: text for name, text in variables.items() if name in known and not _is_link(name, text)
    }


def misspelled(variables: Mapping[str, str], known: Collection[str]) -> list[str]:
    """A sentence about each variable with our prefix that nobody knows."""
    return [
        f"{name} in the environment is not a setting and is ignored. {_advice(name, known)}"
        for name, text in variables.items()
        if name.startswith(ENVIRONMENT_PREFIX)
        and name not in known
        and name not in _OWN
        and not _is_link(name, text)
    ]


def _advice(name: str, known: Collection[str]) -> str:
    import difflib  # only a mistake needs it

    # What all begin with makes none of them similar.
    spelled = {each.removeprefix(ENVIRONMENT_PREFIX): each for each in known}
    asked = name.removeprefix(ENVIRONMENT_PREFIX).upper()
    near = difflib.get_close_matches(asked, spelled, n=1)
    return f"Did you mean {spelled[near[0]]}?" if near else "`mlx-gui config` shows the settings."


def _is_link(name: str, text: str) -> bool:
    """Whether Kubernetes or Docker has made it to say where a service named like us is."""
    if name.endswith("_PORT") and _LINK_ADDRESS.fullmatch(text):
        return True
    if name == f"{ENVIRONMENT_PREFIX}NAME":
        return text.startswith("/")
    return _LINK_NAME.fullmatch(name) is not None
