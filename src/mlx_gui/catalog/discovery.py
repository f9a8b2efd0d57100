"""Finding models on the hub: what is asked of it, and what of its answers somebody wants."""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from mlx_gui.catalog.hub import Hub
from mlx_gui.catalog.hub_facts import (
    PIPELINE_TAGS,
    HubKind,
    as_installed,
    capabilities_of,
    kind_on_hub,
    least_need_bytes,
    model_type_of,
    parameter_count,
    quantization_of,
    served,
    weights_bytes,
    why_unsupported,
)
from mlx_gui.catalog.hub_found import (
    Counted,
    Detail,
    Fitting,
    FoundOnHub,
    FoundPage,
    Quantization,
    Room,
    Wanted,
    fitting,
)
from mlx_gui.catalog.hub_reading import template_facts, template_in
from mlx_gui.catalog.model_texts import CARD_BYTES, LICENCE_BYTES, licence_file
from mlx_gui.catalog.needed import CARD
from mlx_gui.core.errors import HubAnswer, HubUnreachable, InvalidRequest, Offline
from mlx_gui.core.hub import HubModel, HubQuery, Told
from mlx_gui.core.licence import licence_class
from mlx_gui.core.model import Kind

_HUB_PAGE = 100
_MOST_PAGES = 4
"""Of the hub, looked through for one page of ours."""
_VARIANTS = 30
_COUNTED_PAGES = 2
_TAG = "mlx"
_CONFIG_BYTES = 1024 * 1024
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")


class Discovery:
    """Searches the hub for models that this machine can serve.

    `supported` names the architectures that the libraries load, `room` what memory there is now,
    None where that is not known yet. Methods raise what `Hub` raises.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        supported: Mapping[Kind, tuple[str, ...]],
        room: Room | None,
    ) -> None:
        self._hub = hub
        self._supported = supported
        self._room = room

    async def search(self, wanted: Wanted) -> FoundPage:
        """A page of what is wanted, with what there is in variants beside each other."""
        place = _place(wanted)
        try:
            page = await self._walk(wanted, place)
        except (Offline, HubUnreachable) as error:
            page = await self._known(wanted, error)
        return replace(page, models=_with_variants(page.models))

    async def detail(self, model_id: str, revision: str) -> Detail:
        """One model with its files, its card, its whole config and its other quantizations."""
        model, told = await self._hub.detail(model_id, revision=revision)
        at = model.revision or revision
        names = {each.path for each in model.files or ()}

        async def text(name: str, limit_bytes: int) -> str | None:
            if name not in names:
                return None
            return await self._hub.text(model.id, at, name, limit_bytes=limit_bytes)

        licence = licence_file(names) or ""
        asked = _TEMPLATES if model.template is None else ()
        template_file = next((name for name in asked if name in names), "")
        written, card, license_text, templates, (variants, notes) = await asyncio.gather(
            text("config.json", _CONFIG_BYTES),
            text(CARD, CARD_BYTES),
            text(licence, LICENCE_BYTES),
            text(template_file, _CONFIG_BYTES),
            self._variants(model),
        )
        if templates is not None:
            template = template_facts(template_in(template_file, templates))
            model = msgspec.structs.replace(model, template=template)
        config = _json_object(written)
        if config is not None:
            model = msgspec.structs.replace(model, config={**model.config, **config})
        found = self._found(model)
        return Detail(
            found=replace(found, variants=variants),
            told=told,
            config=config,
            card=card,
            license_text=license_text,
            planned=None if found.unsupported else as_installed(model, config or {}),
            notes=(*_staleness(told), *notes),
        )

    async def count(self) -> Counted:
        """Counts among the most downloaded models that are tagged for MLX."""
        query = HubQuery(tags=(_TAG,), sort="downloads", limit=_HUB_PAGE)
        walk = _Walk()
        models, more = await self._first(query, _COUNTED_PAGES, walk)
        kinds: dict[HubKind, int] = dict.fromkeys(PIPELINE_TAGS, 0)
        families: dict[str, int] = {}
        for model in models:
            if (kind := kind_on_hub(model)) is not None:
                kinds[kind] += 1
            if (family := model_type_of(model)) is not None:
                families[family] = families.get(family, 0) + 1
        return Counted(
            kinds, families, len(models), not more, walk.age_s, walk.asked_hub,
            tuple(walk.notes),
        )  # fmt: skip

    # --- searching ------------------------------------------------------------------------------

    async def _walk(self, wanted: Wanted, place: "_Place") -> FoundPage:
        """Through the hub's pages until ours is full, or it is enough."""
        queries = _hub_queries(wanted)
        if len(queries) > 1 or wanted.sort == "size":
            return await self._gather(wanted, queries, place)
        query, walk = queries[0], _Walk(notes=_scope_notes(wanted))
        found: list[FoundOnHub] = []
        cursor, skip = place.cursor, place.skip
        for _ in range(_MOST_PAGES):
            page, told = await self._hub.search(query, cursor=cursor)
            walk.note(told)
            judged = await asyncio.to_thread(self._judge, page.models[skip:], wanted)
            for index, each in enumerate(judged, skip):
                if each is not None:
                    found.append(each)
                if len(found) == wanted.limit:
                    last = index + 1 == len(page.models)
                    following = _Place(page.cursor, 0) if last else _Place(cursor, index + 1)
                    ended = last and page.cursor is None
                    return walk.page(found, None if ended else following.written(wanted))
            cursor, skip = page.cursor, 0
            if cursor is None:
                return walk.page(found, None)
        walk.notes.append(
            f"{_MOST_PAGES * _HUB_PAGE} models of the hub were looked at; `next_cursor` goes on."
        )
        return walk.page(found, _Place(cursor, 0).written(wanted))

    async def _gather(
        self, wanted: Wanted, queries: Sequence[HubQuery], place: "_Place"
    ) -> FoundPage:
        """What is first in several lists of the hub, or what no hub can sort by, in one order."""
        walk, pages = _Walk(notes=_scope_notes(wanted)), -(-_MOST_PAGES // len(queries))
        lists = await asyncio.gather(*(self._first(query, pages, walk) for query in queries))
        ranked: dict[str, tuple[int, FoundOnHub]] = {}
        for models, _ in lists:
            for rank, each in enumerate(await asyncio.to_thread(self._judge, models, wanted)):
                if each is not None:
                    ranked.setdefault(each.hub.id, (rank, each))
        if any(more for _, more in lists):
            looked = sum(len(models) for models, _ in lists)
            walk.notes.append(f"The first {looked} models of the hub's lists were looked at.")
        found = [each for _, each in sorted(ranked.values(), key=_order(wanted))]
        end = place.skip + wanted.limit
        following = _Place(None, end).written(wanted) if end < len(found) else None
        return walk.page(found[place.skip : end], following)

    async def _first(
        self, query: HubQuery, pages: int, walk: "_Walk"
    ) -> tuple[list[HubModel], bool]:
        """The models of the first pages of one list, and whether there are more."""
        models: list[HubModel] = []
        cursor: str | None = None
        for _ in range(pages):
            page, told = await self._hub.search(query, cursor=cursor)
            walk.note(told)
            models += page.models
            cursor = page.cursor
            if cursor is None:
                break
        return models, cursor is not None

    async def _known(self, wanted: Wanted, error: Offline | HubUnreachable) -> FoundPage:
        """What of earlier answers is wanted. Raises `error` where a hub that is away left none."""
        known = await self._hub.known()
        if not known and isinstance(error, HubUnreachable):
            raise error
        matching = [(model, age_s) for model, age_s in known if _matches(model, wanted)]
        judged = await asyncio.to_thread(self._judge, [model for model, _ in matching], wanted)
        found: list[FoundOnHub] = []
        oldest_s = 0.0
        for each, (_, age_s) in zip(judged, matching, strict=True):
            if each is not None and len(found) < wanted.limit:
                found.append(each)
                oldest_s = max(oldest_s, age_s)
        note = f"{error.message} This is what is known of earlier answers."
        return FoundPage(tuple(found), None, oldest_s, False, (note,))

    def _judge(self, models: Sequence[HubModel], wanted: Wanted) -> list[FoundOnHub | None]:
        """In a thread: chat templates are long, and there are hundreds of them."""
        return [self._wanted(model, wanted) for model in models]

    def _wanted(self, model: HubModel, wanted: Wanted) -> FoundOnHub | None:
        """What `model` would be here; None where it is not what is wanted."""
        found = self._found(model)
        if wanted.kind is not None and found.kind != wanted.kind:
            return None
        if wanted.only_supported and found.unsupported is not None:
            return None
        size = found.size_bytes
        if wanted.max_bytes is not None and (size is None or size > wanted.max_bytes):
            return None
        if wanted.quantization is not None and not _quantized(found, wanted.quantization):
            return None
        if wanted.licence is not None and licence_class(model.license) != wanted.licence:
            return None
        if wanted.fits and found.fit.state in ("no", "unknown"):
            return None
        return found

    def _found(self, model: HubModel) -> FoundOnHub:
        return FoundOnHub(
            hub=model,
            kind=kind_on_hub(model),
            capabilities=capabilities_of(model),
            model_type=model_type_of(model),
            parameter_count=parameter_count(model),
            quantization=quantization_of(model.config),
            size_bytes=_size_bytes(model),
            unsupported=why_unsupported(model, self._supported),
            fit=self._fit(model),
        )

    def _fit(self, model: HubModel) -> Fitting:
        if self._room is None:
            return Fitting("unknown")
        return fitting(least_need_bytes(model, self._room.backend), self._room)

    async def _variants(self, model: HubModel) -> tuple[tuple[FoundOnHub, ...], tuple[str, ...]]:
        """Other quantizations of what `model` was made of, or of itself."""
        base = model.base_model or model.id
        query = HubQuery(tags=(f"base_model:quantized:{base}",), sort="downloads", limit=_VARIANTS)
        try:
            page, _ = await self._hub.search(query)
        except (Offline, HubUnreachable, HubAnswer) as error:
            return (), (f"Other quantizations are not known: {error.message}",)
        found = (self._found(each) for each in page.models if each.id != model.id)
        return tuple(each for each in found if each.unsupported is None), ()


@dataclass(slots=True)
class _Walk:
    """What the pages of one walk have in common."""

    notes: list[str] = field(default_factory=list[str])
    age_s: float = 0.0
    asked_hub: bool = False

    def note(self, told: Told) -> None:
        self.age_s = max(self.age_s, told.age_s)
        self.asked_hub = self.asked_hub or told.age_s == 0
        self.notes += [note for note in _staleness(told) if note not in self.notes]

    def page(self, found: Sequence[FoundOnHub], cursor: str | None) -> FoundPage:
        return FoundPage(tuple(found), cursor, self.age_s, self.asked_hub, tuple(self.notes))


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: on which page of the hub, and behind how many models of it."""

    cursor: str | None
    skip: int

    def written(self, wanted: Wanted) -> str:
        content = msgspec.json.encode((wanted.fingerprint(), self.cursor, self.skip))
        return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _place(wanted: Wanted) -> _Place:
    """Where a page begins. Raises InvalidRequest for the cursor of another search, or of none."""
    if wanted.cursor is None:
        return _Place(None, 0)
    text = wanted.cursor
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        fingerprint, cursor, skip = msgspec.json.decode(content, type=tuple[str, str | None, int])
    except (ValueError, msgspec.MsgspecError):
        raise _no_cursor("is not one that a list has") from None
    if not 0 <= skip < 10_000 or len(cursor or "") > 1000:
        raise _no_cursor("is not one that a list has")
    if fingerprint != wanted.fingerprint():
        raise _no_cursor("is that of another search")
    return _Place(cursor, skip)


def _no_cursor(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The cursor {why}.",
        hint="Send `next_cursor` as it came, with the same filters.",
        param="cursor",
    )


def _hub_queries(wanted: Wanted) -> Sequence[HubQuery]:
    """The lists of the hub that hold what is wanted: one for each task of a kind.

    Where somebody looks for a name, those of no task are looked through too.
    """
    sort = wanted.sort or ("downloads" if wanted.query else "trending")
    anyhow = HubQuery(
        search=wanted.query,
        author=wanted.author,
        tags=(_TAG,) if _browsing(wanted) else (),
        # By size it is put in order here.
        sort="downloads" if sort == "size" else sort,
        limit=_HUB_PAGE,
    )
    if wanted.kind is None:
        return (anyhow,)
    tasks = tuple(
        msgspec.structs.replace(anyhow, pipeline_tag=tag) for tag in PIPELINE_TAGS[wanted.kind]
    )
    if wanted.query or wanted.author:
        return (*tasks, anyhow)
    # Those of its second task are few, and one list can be followed to its end.
    return tasks[:1] if wanted.kind == "text" else tasks


def _order(wanted: Wanted) -> Callable[[tuple[int, FoundOnHub]], tuple[object, ...]]:
    """How models of several lists are put together: what the lists are sorted by, else in turns."""

    def place(ranked: tuple[int, FoundOnHub]) -> tuple[object, ...]:
        rank, each = ranked
        match wanted.sort or ("downloads" if wanted.query else "trending"):
            case "size":
                return each.size_bytes is None, each.size_bytes or 0, each.hub.id
            case "downloads":
                return -(each.hub.downloads or 0), rank, each.hub.id
            case "likes":
                return -(each.hub.likes or 0), rank, each.hub.id
            case "newest":
                # Times of one form; the later one is the larger text.
                newest = [-ord(letter) for letter in each.hub.updated_at or ""]
                return each.hub.updated_at is None, newest, each.hub.id
            case "trending":
                return rank, each.hub.id

    return place


def _browsing(wanted: Wanted) -> bool:
    """Whether nobody is named, and only what can be served is to be seen.

    Encoders, Whisper and Pocket TTS are loaded as their makers upload them, whoever has thought of
    MLX.
    """
    if wanted.kind in ("embedding", "reranker", "transcription", "speech"):
        return False
    return wanted.only_supported and not wanted.query and not wanted.author


def _scope_notes(wanted: Wanted) -> list[str]:
    notes: list[str] = []
    if _browsing(wanted):
        notes.append("Without a query or an author these are models that are tagged `mlx`.")
    if wanted.kind is not None and not served(wanted.kind):
        notes.append(f"mlx-gui serves no {wanted.kind} models yet.")
    return notes


def _matches(model: HubModel, wanted: Wanted) -> bool:
    """What the hub would look at, looked at here."""
    author = wanted.author
    return (wanted.query or "").casefold() in model.id.casefold() and (
        author is None or author.casefold() == (model.author or "").casefold()
    )


def _quantized(found: FoundOnHub, wanted: Quantization) -> bool:
    if wanted == "none":
        return found.quantization is None and found.hub.values is not None
    if found.quantization is None:
        return False
    bits = found.quantization.partition(",")[0].split()
    return wanted in bits if wanted == "mxfp4" else bits[0] == wanted


def _with_variants(models: tuple[FoundOnHub, ...]) -> tuple[FoundOnHub, ...]:
    """Each with the others of the same base model."""
    by_base: dict[str, list[FoundOnHub]] = {}
    for each in models:
        if (base := each.hub.base_model) is not None:
            by_base.setdefault(base, []).append(each)
    return tuple(
        replace(
            each,
            variants=tuple(
                other for other in by_base.get(each.hub.base_model or "", ()) if other is not each
            ),
        )
        for each in models
    )


def _size_bytes(model: HubModel) -> int | None:
    """All files where they are known, else the tensors."""
    if model.files is not None:
        return sum(each.size_bytes for each in model.files)
    return weights_bytes(model)


def _staleness(told: Told) -> tuple[str, ...]:
    if told.stale_because is None:
        return ()
    return (f"{told.stale_because} This is what the hub said {_ago(told.age_s)} ago.",)


def _ago(age_s: float) -> str:
    for unit, length_s in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if age_s >= 2 * length_s:
            return f"{age_s / length_s:.0f} {unit}"
    return f"{age_s:.0f} seconds"


def _json_object(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return None
