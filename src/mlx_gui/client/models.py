"""Installed models, their settings, and what is in memory."""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from mlx_gui.client.connection import Connection
from mlx_gui.wire.model_settings import ModelSettingsBody
from mlx_gui.wire.models import LoadResult, ModelHealth, ModelList, ModelObject, UnloadResult


class ModelCalls(Connection):
    """What is asked of one model, or of all."""

    def models(self) -> ModelList:
        return self._ask("GET", "/v1/models", ModelList)

    def model(self, name: str) -> ModelObject:
        return self._ask("GET", _model_path(name), ModelObject)

    def model_health(self, name: str) -> ModelHealth:
        return self._ask("GET", _model_path(name, "health"), ModelHealth)

    def rescan(self) -> ModelList:
        """The installed models after the folders have been searched anew."""
        return self._ask("POST", "/v1/models/rescan", ModelList)

    def load(self, name: str) -> LoadResult:
        """Answers when the model is ready; the server bounds the time."""
        return self._ask("POST", _model_path(name, "load"), LoadResult, patient=True)

    def unload(self, name: str, *, force: bool = False) -> UnloadResult:
        """Answers when the memory is free. Conflict while the model answers, unless `force`."""
        query = {"force": "true"} if force else {}
        path = _model_path(name, "unload")
        return self._ask("POST", path, UnloadResult, patient=True, query=query)

    def model_settings(self, name: str) -> ModelSettingsBody:
        return self._ask("GET", _model_path(name, "settings"), ModelSettingsBody)

    def change_model_settings(self, name: str, changes: Mapping[str, object]) -> ModelSettingsBody:
        """What holds after `changes`, of which None resets a setting."""
        body = msgspec.json.encode({"settings": changes})
        return self._ask("PATCH", _model_path(name, "settings"), ModelSettingsBody, body=body)


def _model_path(name: str, action: str = "") -> str:
    path = f"/v1/models/{quote(name, safe='/')}"
    return f"{path}/{action}" if action else path
