"""For workers of a server that tests have started with this folder on its path: towers of
`tests.colours.families.SMALL_TOWERS` are as small as the checkpoints have them."""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_TOWERS = "mlx_vlm.models.gemma3n.vision"


class _Shrinking(MetaPathFinder):
    """Finds the module of the towers, once, and has it shrink them when it is there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _TOWERS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Shrunk(spec.loader)
        return spec


class _Shrunk(Loader):
    def __init__(self, usual: Loader) -> None:
        self._usual = usual

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._usual.exec_module(module)
        from tests.colours.gemma3n import shrink_tower

        shrink_tower()


sys.meta_path.insert(0, _Shrinking())
