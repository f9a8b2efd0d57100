"""What the probe child found, so that it need not run at every start."""

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.core.device import DeviceFacts
from mlx_gui.store.schema import devices


def remember_device(
    connection: Connection, fingerprint: str, *, facts: DeviceFacts, now: str
) -> None:
    """Keeps `facts` alone: those under another fingerprint are of a machine that is no more."""
    connection.execute(delete(devices))
    connection.execute(
        insert(devices).values(
            fingerprint=fingerprint, facts=msgspec.json.encode(facts).decode(), probed_at=now
        )
    )


def recall_device(connection: Connection, fingerprint: str) -> DeviceFacts | None:
    """None when the probe has to run: nothing known, other machine, or other versions."""
    wanted = devices.c.fingerprint == fingerprint
    facts = connection.execute(select(devices.c.facts).where(wanted)).scalar_one_or_none()
    if facts is None:
        return None
    try:
        return msgspec.json.decode(facts, type=DeviceFacts)
    except msgspec.ValidationError:
        return None
