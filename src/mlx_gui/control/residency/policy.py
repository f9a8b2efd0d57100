"""Which models are in memory: a pure policy over a snapshot.

Models that are wanted come in the order of their priority, then of their waiting; a wait raises the
priority, so that nobody waits for ever. For each of them room is made by those that matter least:
idle models first, of the lowest priority first, the least recently used first, and no more of them
than it takes. Where that is not enough, models at work take turns: one that others wait for gets no
new request once its turn is over, and leaves when its answers have ended.

What a model that waits will need is set aside for it. A later one that is smaller may overtake it
only where there is room for both.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlx_gui.core.errors import Conflict, InsufficientMemory, MlxGuiError, ModelTooLarge
from mlx_gui.core.model import MemoryNeed
from mlx_gui.core.units import format_bytes, format_duration

NEVER_S = math.inf


@dataclass(frozen=True, slots=True)
class Resident:
    """A model that holds memory now. `turn_ends_s` is when it may be asked to leave others room.

    `held_bytes` is what it was planned to need, at the worst moment while it loads.
    """

    model_id: str
    held_bytes: int
    state: Literal["loading", "ready", "leaving"]
    leases: int = 0
    queued: int = 0
    pinned: bool = False
    priority: int = 0
    last_used_s: float = 0.0
    turn_ends_s: float = 0.0

    @property
    def idle(self) -> bool:
        """Ready, and nobody wants anything of it."""
        return self.state == "ready" and not self.leases and not self.queued


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model that is not there and that somebody has waited for since `since_s`.

    With `modest` nobody waits: it is to be there from the start, if nobody has to leave for that.
    """

    model_id: str
    need: MemoryNeed
    priority: int = 0
    since_s: float = 0.0
    modest: bool = False

    @property
    def room_bytes(self) -> int:
        return max(self.need.total_bytes, self.need.load_peak_bytes)


@dataclass(frozen=True, slots=True)
class Limits:
    """What all models may hold together: `budget_bytes` now, `most_bytes` at the best of times.

    `because` says why `most_bytes` is no more. With `loads_paused` nothing is loaded; it ends a
    sentence that begins with the model.
    Until `settled_s` the system may not yet have told of memory that came back: nobody is refused
    or made to leave because of what seems to be missing now.
    """

    budget_bytes: int
    most_bytes: int
    max_models: int
    turn_s: float
    because: str = ""
    loads_paused: str = ""
    settled_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """There is room: load now."""

    model_id: str


@dataclass(frozen=True, slots=True)
class Leaver:
    """A model that makes room, and why it is this one."""

    model_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evict:
    """These must leave first, and can at once."""

    model_id: str
    leavers: tuple[Leaver, ...]


@dataclass(frozen=True, slots=True)
class Drain:
    """These must leave first: their turn is over, they get no new request."""

    model_id: str
    leavers: tuple[Leaver, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before something changes, or before `until_s` at the latest."""

    model_id: str
    reason: str
    until_s: float = NEVER_S


@dataclass(frozen=True, slots=True)
class Refuse:
    """It does not fit, however long it would wait."""

    model_id: str
    error: MlxGuiError


Step = Load | Evict | Drain | Wait | Refuse


@dataclass(frozen=True, slots=True)
class Room:
    """What some models hold together."""

    held_bytes: int
    count: int

    @classmethod
    def of(cls, residents: Sequence[Resident]) -> "Room":
        return cls(sum(each.held_bytes for each in residents), len(residents))

    def with_one(self, room_bytes: int) -> "Room":
        return Room(self.held_bytes + room_bytes, self.count + 1)

    def without(self, residents: Sequence[Resident]) -> "Room":
        held_bytes = self.held_bytes - sum(each.held_bytes for each in residents)
        return Room(held_bytes, self.count - len(residents))

    def within(self, limits: Limits) -> bool:
        return self.held_bytes <= limits.budget_bytes and self.count <= limits.max_models


def decide(
    wanted: Iterable[Wanted], residents: Sequence[Resident], *, limits: Limits, now_s: float
) -> tuple[Step, ...]:
    """One step for each of `wanted`, which together keep within `limits`."""
    steps: list[Step] = []
    present = Room.of(residents)
    later = Room.of([each for each in residents if each.state != "leaving"])
    candidates, pinned = evictable(residents), pinned_of(residents)
    settling = now_s < limits.settled_s and limits.budget_bytes < limits.most_bytes
    for each in sorted(wanted, key=lambda w: (-_rank(w, limits, now_s), w.since_s)):
        if settling and not present.with_one(each.room_bytes).within(limits):
            steps.append(Wait(each.model_id, "memory is coming back", limits.settled_s))
            continue
        if (error := refusal(each, pinned, limits)) is not None:
            steps.append(Refuse(each.model_id, error))
            continue
        victims = choose(each.room_bytes, later, candidates, limits)
        if victims is None:
            steps.append(Wait(each.model_id, "others were first"))
            continue
        if victims and each.modest:
            steps.append(Refuse(each.model_id, _no_room_left(each, victims)))
            continue
        if victims:
            leaving = {victim.model_id for victim in victims}
            candidates = [other for other in candidates if other.model_id not in leaving]
        later = later.without(victims).with_one(each.room_bytes)
        if not victims and present.with_one(each.room_bytes).within(limits):
            present = present.with_one(each.room_bytes)
            steps.append(Load(each.model_id))
        else:
            steps.append(_make_way(each, victims, residents, now_s))
    return tuple(steps)


def refusal(wanted: Wanted, pinned: Sequence[Resident], limits: Limits) -> MlxGuiError | None:
    """Why `wanted` cannot be loaded whoever leaves, which `pinned` ones do not; None if it can."""
    pinned_bytes = sum(each.held_bytes for each in pinned)
    room_bytes = wanted.room_bytes + pinned_bytes
    if (
        room_bytes <= min(limits.budget_bytes, limits.most_bytes)
        and len(pinned) < limits.max_models
        and not limits.loads_paused
    ):
        return None
    needs = f"{wanted.model_id} needs {format_bytes(wanted.room_bytes)}"
    names = ", ".join(each.model_id for each in pinned)
    details = {"needed_bytes": wanted.room_bytes, "budget_bytes": limits.budget_bytes}
    if wanted.room_bytes > limits.most_bytes:
        return ModelTooLarge(
            f"{needs}, models may use {format_bytes(limits.most_bytes)} on this machine"
            f"{f': {limits.because}' if limits.because else ''}.",
            hint="Use a smaller quantization of it, lower its context_tokens, or raise "
            "memory_limit_bytes if other programs can spare the memory.",
            details={**details, "budget_bytes": limits.most_bytes},
        )
    if len(pinned) >= limits.max_models:
        return InsufficientMemory(
            f"{wanted.model_id} cannot be loaded: {limits.max_models} models may be in memory at "
            f"once, and these are pinned: {names}.",
            hint="Unpin one of them, or raise max_loaded_models.",
            details=details,
        )
    if room_bytes > limits.most_bytes:
        return InsufficientMemory(
            f"{needs}, {format_bytes(limits.most_bytes - pinned_bytes)} are left beside what is "
            f"pinned: {names}.",
            hint="Unpin one of them, or lower the context_tokens of this model.",
            details={**details, "pinned_bytes": pinned_bytes},
        )
    if room_bytes > limits.budget_bytes:
        return InsufficientMemory(
            f"{needs}, models may use {format_bytes(max(limits.budget_bytes - pinned_bytes, 0))} "
            "now, because other programs use the rest of the memory.",
            hint="Close other programs, or lower the context_tokens of this model.",
            details=details,
            retry_after_s=30,
        )
    return InsufficientMemory(
        f"{wanted.model_id} {limits.loads_paused}.",
        hint="Try again later, or close other programs.",
        details=details,
        retry_after_s=30,
    )


def _no_room_left(wanted: Wanted, victims: Sequence[Resident]) -> MlxGuiError:
    names = ", ".join(each.model_id for each in victims)
    return InsufficientMemory(
        f"{wanted.model_id} was not loaded with the server: {names} would have to leave.",
        hint="Let fewer models be loaded at the start, or raise max_loaded_models or "
        "memory_limit_bytes.",
    )


def pinned_of(residents: Iterable[Resident]) -> tuple[Resident, ...]:
    """Those that stay whatever is wanted."""
    return tuple(each for each in residents if each.pinned and each.state != "leaving")


def evictable(residents: Iterable[Resident]) -> list[Resident]:
    """Those that may be asked to leave, whoever matters least first."""
    others = [each for each in residents if not each.pinned and each.state != "leaving"]
    return sorted(others, key=lambda r: (not r.idle, r.priority, r.last_used_s))


def surplus(residents: Sequence[Resident], limits: Limits) -> tuple[Resident, ...]:
    """The idle ones that there is no room for since the limits are lower.

    Whoever has work stays, and leaves when others need the room.
    """
    room = Room.of([each for each in residents if each.state != "leaving"])
    leavers: list[Resident] = []
    for each in evictable(residents):
        fits = room.held_bytes <= limits.most_bytes and room.count <= limits.max_models
        if fits or not each.idle:
            break
        leavers.append(each)
        room = room.without([each])
    return tuple(leavers)


def choose(
    room_bytes: int, staying: Room, candidates: Sequence[Resident], limits: Limits
) -> list[Resident] | None:
    """Those of `candidates` that leave so that `room_bytes` fit; None if that is not enough."""
    excess_bytes = staying.held_bytes + room_bytes - limits.budget_bytes
    excess = staying.count + 1 - limits.max_models
    victims: list[Resident] = []
    for each in candidates:
        if excess_bytes <= 0 and excess <= 0:
            break
        victims.append(each)
        excess_bytes -= each.held_bytes
        excess -= 1
    if excess_bytes > 0 or excess > 0:
        return None
    # A large one that came last may have made room enough alone.
    for each in reversed(victims[:-1]):
        if excess_bytes + each.held_bytes <= 0 and excess < 0:
            victims.remove(each)
            excess_bytes += each.held_bytes
            excess += 1
    return victims


def comeback(
    wanted: Sequence[Wanted],
    residents: Sequence[Resident],
    *,
    cause_id: str | None,
    limits: Limits,
    now_s: float,
) -> Literal["beside", "instead"] | MlxGuiError:
    """How those come back who left for the sake of `cause_id`: beside it, or in its place.

    Or why they cannot: nobody else leaves for them, nor does that one while somebody uses it.
    """
    if now_s < limits.settled_s:
        limits = replace(limits, budget_bytes=limits.most_bytes)
    for each in wanted:
        if (error := refusal(each, pinned_of(residents), limits)) is not None:
            return Conflict(error.message, hint=error.hint, details=error.details)
    staying = [each for each in residents if each.state != "leaving"]
    room = Room.of(staying)
    for each in wanted:
        room = room.with_one(each.room_bytes)
    if room.within(limits):
        return "beside"
    cause = next((each for each in staying if each.model_id == cause_id), None)
    enough = cause is not None and room.without([cause]).within(limits)
    if cause is not None and enough and not (cause.pinned or cause.leases or cause.queued):
        return "instead"
    return _stays_gone(wanted, staying, cause if enough else None, limits)


def _stays_gone(
    wanted: Sequence[Wanted],
    staying: Sequence[Resident],
    in_the_way: Resident | None,
    limits: Limits,
) -> MlxGuiError:
    names = ", ".join(each.model_id for each in wanted)
    needed_bytes = sum(each.room_bytes for each in wanted)
    held_bytes = sum(each.held_bytes for each in staying)
    if in_the_way is not None:
        why = f"{in_the_way.model_id} stays, {stays_because(in_the_way)}"
    else:
        why = f"{', '.join(each.model_id for each in staying)} would have to leave"
    need = "needs" if len(wanted) == 1 else "need"
    return Conflict(
        f"{names} {need} {format_bytes(needed_bytes)} to come back, and "
        f"{format_bytes(max(limits.budget_bytes - held_bytes, 0))} of the "
        f"{format_bytes(limits.budget_bytes)} for models are free: {why}.",
        hint="Unload a model that you do not need, then load it.",
        details={"needed_bytes": needed_bytes, "budget_bytes": limits.budget_bytes},
    )


def leaver(resident: Resident, now_s: float) -> Leaver:
    """Why `resident` is the one to make room."""
    if resident.idle:
        idle = format_duration(max(now_s - resident.last_used_s, 0))
        reason = f"idle for {idle}, the longest" if not resident.priority else f"idle for {idle}"
    elif resident.leases:
        reason = f"its turn ends; it still answers {_count(resident.leases, 'request')}"
    elif resident.state == "loading":
        reason = "it loads, and takes its turn first"
    else:
        reason = f"its turn is over; {_count(resident.queued, 'request')} of it wait"
    if resident.priority:
        reason += f", priority {resident.priority}"
    return Leaver(resident.model_id, reason)


def stays_because(resident: Resident) -> str:
    """Why `resident` is not asked to leave."""
    if resident.pinned:
        return "pinned"
    if resident.state == "loading":
        return "it is being loaded"
    if resident.leases:
        return f"it answers {_count(resident.leases, 'request')}"
    if resident.queued:
        return f"{_count(resident.queued, 'request')} of it wait"
    return "there is room beside it"


def _rank(wanted: Wanted, limits: Limits, now_s: float) -> float:
    """The priority, and one more for each turn that it has waited."""
    return wanted.priority + max(now_s - wanted.since_s, 0) // limits.turn_s


def _make_way(
    wanted: Wanted, victims: Sequence[Resident], residents: Sequence[Resident], now_s: float
) -> Step:
    if not victims:
        leaving = ", ".join(each.model_id for each in residents if each.state == "leaving")
        return Wait(wanted.model_id, f"{leaving or 'another model'} is leaving")
    in_turn = [each for each in victims if not each.idle and each.turn_ends_s > now_s]
    if in_turn:
        names = ", ".join(each.model_id for each in in_turn)
        until_s = max(each.turn_ends_s for each in in_turn)
        return Wait(wanted.model_id, f"it is the turn of {names}", until_s)
    if any(each.leases for each in victims):
        drained = [leaver(each, now_s) for each in victims if not each.idle]
        return Drain(wanted.model_id, tuple(drained))
    return Evict(wanted.model_id, tuple(leaver(each, now_s) for each in victims))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
