"""LoRA adapters as mlx-lm trains them: what their folders say, and which model they belong to."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from mlx_gui.core.licence import Licence
from mlx_gui.core.model import Model
from mlx_gui.core.setting_row import shown
from mlx_gui.kinds.checkpoint import INDEX_FILE, DamagedFile, read_header, read_json_object

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapters.safetensors"
_FINE_TUNE_TYPES = ("lora", "dora", "full")
_LORA_PARAMETERS = ("rank", "scale", "dropout")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder; `name` is the id that its place gives it.

    `base` is what its config says it was trained on: a model id or a path. `weights_bytes` is
    what its weights take in 32 bits. `problem` is the sentence why it cannot be used.
    """

    name: str
    folder: Path
    disk_bytes: int
    base: str | None = None
    weights_bytes: int = 0
    problem: str | None = None
    licence: Licence | None = None


def is_adapter(files: frozenset[str]) -> bool:
    """Whether a folder with these files holds an adapter rather than a model."""
    whole = any(name.startswith("model") and name.endswith(".safetensors") for name in files)
    return CONFIG_FILE in files and not whole and INDEX_FILE not in files


def read_adapter(name: str, folder: Path, *, disk_bytes: int) -> Adapter:
    """What the files of `folder` say; raises for nothing that they hold."""
    found = Adapter(name, folder, disk_bytes)
    try:
        config = read_json_object(folder / CONFIG_FILE)
        named = config.get("base_model_name_or_path") or config.get("model")
        found = replace(found, base=named if isinstance(named, str) else None)
        if not (folder / WEIGHTS_FILE).exists():
            raise DamagedFile(f"{WEIGHTS_FILE} is missing; no other form than mlx-lm's is read.")
        tensors = read_header(folder / WEIGHTS_FILE)
    except DamagedFile as damage:
        return replace(found, problem=str(damage))
    weights_bytes = sum(max(each.stored_bytes, each.value_count * 4) for each in tensors)
    return replace(found, weights_bytes=weights_bytes, problem=_problem(config))


def base_of(adapter: Adapter, models: tuple[Model, ...]) -> Model | None:
    """The one of `models` that the adapter was trained on, by id, path or the id's last part."""
    if adapter.base is None:
        return None
    exact = [model for model in models if adapter.base in (model.id, model.path)]
    short = adapter.base.rstrip("/").rpartition("/")[2]
    near = [model for model in models if model.id.rpartition("/")[2] == short]
    if exact:
        return exact[0]
    return near[0] if len(near) == 1 else None


def adapted(base: Model, adapter: Adapter, *, discovered_at: str) -> Model:
    """`base` with `adapter`, as a model of its own."""
    problem = base.problem
    if adapter.problem is not None:
        problem = f"The adapter {adapter.name} cannot be used: {adapter.problem}"
    return Model(
        id=f"{base.id}+{adapter.name}",
        path=base.path,
        facts=base.facts,
        problem=problem,
        disk_bytes=adapter.disk_bytes,
        discovered_at=discovered_at,
        adapter=str(adapter.folder),
        base=base.id,
        adapter_bytes=adapter.weights_bytes,
        licence=adapter.licence,
    )


def _problem(config: dict[str, object]) -> str | None:
    fine_tune_type = config.get("fine_tune_type", "lora")
    if fine_tune_type not in _FINE_TUNE_TYPES:
        return f"Its fine_tune_type is {shown(fine_tune_type)}, not lora, dora or full."
    if fine_tune_type == "full":
        return None
    if type(config.get("num_layers")) is not int:
        return f"{CONFIG_FILE} names no num_layers."
    found = config.get("lora_parameters")
    parameters = cast(dict[str, object], found) if isinstance(found, dict) else {}
    missing = [name for name in _LORA_PARAMETERS if name not in parameters]
    if missing:
        return f"The lora_parameters in {CONFIG_FILE} lack {', '.join(missing)}."
    return None
