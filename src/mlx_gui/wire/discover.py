"""The JSON of models on the hub: lists, one in detail, and what a fresh machine may begin with."""

from typing import Literal

from pydantic import BaseModel

from mlx_gui.core.licence import LicenceClass
from mlx_gui.core.model import Capability

HubKindName = Literal["text", "vision", "embedding", "reranker", "transcription", "speech"]
SortName = Literal["trending", "downloads", "likes", "newest", "size"]
FitName = Literal["yes", "after_eviction", "tight", "no", "unknown"]


class SupportedBody(BaseModel):
    """Whether this version can serve the model, as far as the hub tells; `reason` if not."""

    ok: bool
    reason: str | None


class FitBody(BaseModel):
    """Whether the model fits into the memory of this machine.

    `need_bytes` is all that it needs with `context` tokens. Where `context` is null it is what its
    weights need at least.
    """

    state: FitName
    need_bytes: int | None
    context: int | None


class VariantBody(BaseModel):
    """Another quantization of the same base model."""

    id: str
    quantization: str | None
    size_bytes: int | None
    license: str | None
    license_link: str | None
    license_class: LicenceClass | None
    gated: bool | None
    downloads: int | None
    fit: FitBody
    installed: str | None


class DiscoveredModel(BaseModel):
    """A model on the hub. What nobody says is null, nothing is guessed.

    `capabilities` are those of an installed model, by the chat template where the hub shows it, and
    `vision` of one that sees, which is served as far as it writes text; what is not known to be
    there is left out.
    `size_bytes` are its files where those are known, else its tensors. `license_class` says what a
    licence of that name allows. `installed` is the state of
    the model here, `installing` while a job brings it, null for one that is not.
    """

    id: str
    author: str | None
    name: str
    base_model: str | None
    kind: HubKindName | None
    capabilities: list[Capability]
    model_type: str | None
    parameter_count: int | None
    quantization: str | None
    size_bytes: int | None
    license: str | None
    license_link: str | None
    license_class: LicenceClass | None
    gated: bool | None
    downloads: int | None
    likes: int | None
    updated_at: str | None
    supported: SupportedBody
    fit: FitBody
    installed: str | None
    variants: list[VariantBody]


class DiscoveredList(BaseModel):
    """A page of models. `next_cursor` asks for the next one, null on the last.

    `total` is null: no hub says it. `source` is `cache` where all of it was known before, `age_s`
    the age of the oldest part. `notes` are sentences for people.
    """

    object: Literal["list"] = "list"
    data: list[DiscoveredModel]
    next_cursor: str | None
    total: int | None = None
    source: Literal["hub", "cache"]
    age_s: float
    notes: list[str]


class HubFileBody(BaseModel):
    """One file of a model; `needed` says whether an installation fetches it."""

    path: str
    size_bytes: int
    needed: bool


class ConfigFacts(BaseModel):
    """What its config.json says, where it says it."""

    model_type: str | None
    architectures: list[str]
    context_length: int | None
    vocabulary_size: int | None
    hidden_size: int | None
    layers: int | None
    quantization: str | None


class DiscoveredDetail(DiscoveredModel):
    """One model with all there is to know of it.

    `revision` is the commit that this is about. `download_bytes` is what an installation fetches,
    null where nothing can be installed. `card` is the model card in Markdown, which a stranger has
    written. `fits` says how it fits with three contexts. `warnings` are sentences about pickles,
    code, and what is missing.
    """

    object: Literal["model_detail"] = "model_detail"
    revision: str | None
    files: list[HubFileBody]
    download_bytes: int | None
    config: ConfigFacts | None
    card: str | None
    license_text: str | None
    link: str
    fits: list[FitBody]
    warnings: list[str]
    source: Literal["hub", "cache"]
    age_s: float
    notes: list[str]


class CategoryBody(BaseModel):
    """A kind of models. `count` is of those that were counted."""

    kind: HubKindName
    count: int
    served: bool


class FamilyBody(BaseModel):
    """An architecture, by its `model_type`; `count` is of those that were counted."""

    model_type: str
    count: int
    supported: bool


class CategoryList(BaseModel):
    """Kinds and architectures among the most downloaded models that are tagged `mlx`.

    `counted` is how many were looked at, `complete` whether these are all.
    """

    object: Literal["list"] = "list"
    data: list[CategoryBody]
    families: list[FamilyBody]
    counted: int
    complete: bool
    source: Literal["hub", "cache"]
    age_s: float
    notes: list[str]


class StarterBody(BaseModel):
    """A model to begin with, out of the catalogue that comes with the program.

    `memory_gb` is the memory that models may use on a machine that it is for, 192 for more than 96.
    `tried` says that it was installed from a real hub by those who wrote it down; where it was
    not, `size_bytes` is computed. `chosen` is the one of its kind for this machine. An `embedded`
    one comes without a hub.
    """

    id: str
    kind: HubKindName
    family: str
    model_type: str
    memory_gb: int
    size_bytes: int
    parameter_count: int
    quantization: str | None
    license: str
    license_class: LicenceClass | None
    dimensions: int | None
    embedded: bool
    tried: bool
    note: str | None
    chosen: bool
    supported: SupportedBody
    fit: FitBody
    installed: str | None


class StarterList(BaseModel):
    """All starters. `usable_bytes` is what models may use here, null before that is known."""

    object: Literal["list"] = "list"
    data: list[StarterBody]
    usable_bytes: int | None
    memory_gb: int | None
    notes: list[str]
