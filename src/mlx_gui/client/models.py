"""Installed models, their settings, and what is in memory."""

from collections.abc import Mapping, Sequence

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import check_numbers, encoded, in_path
from mlx_gui.wire.benchmarks import BenchmarkList
from mlx_gui.wire.jobs import JobBody
from mlx_gui.wire.model_settings import ModelSettingsBody
from mlx_gui.wire.model_texts import ModelCardBody, ModelTemplateBody
from mlx_gui.wire.models import (
    LoadResult,
    ModelHealth,
    ModelList,
    ModelObject,
    UnloadAllResult,
    UnloadResult,
)
from mlx_gui.wire.plan import DecisionList, PlanBody


class ModelCalls(Connection):
    """What is asked of one model, or of all."""

    def models(self) -> ModelList:
        return self._ask("GET", "/v1/models", ModelList)

    def model(self, name: str) -> ModelObject:
        return self._ask("GET", _model_path(name), ModelObject)

    def model_health(self, name: str) -> ModelHealth:
        return self._ask("GET", _model_path(name, "health"), ModelHealth)

    def model_card(self, name: str) -> ModelCardBody:
        """Card and licence, which strangers have written."""
        return self._ask("GET", _model_path(name, "card"), ModelCardBody)

    def model_template(self, name: str) -> ModelTemplateBody:
        """The chat template that is used."""
        return self._ask("GET", _model_path(name, "template"), ModelTemplateBody)

    def rescan(self) -> ModelList:
        """The installed models after the folders have been searched anew."""
        return self._ask("POST", "/v1/models/rescan", ModelList)

    def import_model(self, path: str, *, mode: str = "copy", name: str | None = None) -> JobBody:
        """The job that imports what lies at `path` on the server's machine."""
        body = encoded({"path": path, "mode": mode, "name": name})
        return self._ask("POST", "/v1/models/import", JobBody, body=body)

    def convert(
        self,
        model: str,
        *,
        bits: int | None = None,
        group_size: int | None = None,
        mode: str = "affine",
        name: str | None = None,
    ) -> JobBody:
        """The job that makes a packed model of `model`."""
        wanted = {"bits": bits, "group_size": group_size, "mode": mode, "name": name}
        return self._ask("POST", _model_path(model, "convert"), JobBody, body=encoded(wanted))

    def benchmark(
        self,
        model: str,
        *,
        prompt_tokens: Sequence[int],
        answer_tokens: int,
        at_once: Sequence[int],
    ) -> JobBody:
        """The job that measures how fast `model` is."""
        wanted = {
            "prompt_tokens": list(prompt_tokens),
            "answer_tokens": answer_tokens,
            "at_once": list(at_once),
        }
        return self._ask("POST", _model_path(model, "benchmark"), JobBody, body=encoded(wanted))

    def benchmarks(self, model: str) -> BenchmarkList:
        """What was measured of `model`, the newest first."""
        return self._ask("GET", _model_path(model, "benchmarks"), BenchmarkList)

    def plan(self, name: str, *, context: int | None = None) -> PlanBody:
        """What loading the model would do now, with `context` tokens in place of the setting."""
        body = encoded({"context": context})
        return self._ask("POST", _model_path(name, "plan"), PlanBody, body=body)

    def decisions(self, name: str | None = None, *, limit: int | None = None) -> DecisionList:
        """What the policy decided, about one model or all, newest first."""
        asked = {"model": name, "limit": None if limit is None else str(limit)}
        query = {key: value for key, value in asked.items() if value is not None}
        return self._ask("GET", "/v1/manager/decisions", DecisionList, query=query)

    def load(
        self, name: str, *, context: int | None = None, plan_token: str | None = None
    ) -> LoadResult:
        """Answers when the model is ready; the server bounds the time.

        PlanChanged when the load would do something else than the plan of `plan_token` said.
        """
        body = encoded({"context": context, "plan_token": plan_token})
        return self._ask("POST", _model_path(name, "load"), LoadResult, patient=True, body=body)

    def unload(self, name: str, *, force: bool = False, when_idle: bool = False) -> UnloadResult:
        """Answers when the memory is free. Conflict while the model answers, unless `force`.

        With `when_idle` it answers when the running answers have finished.
        """
        path = _model_path(name, "unload")
        query = _unload_query(force=force, when_idle=when_idle)
        return self._ask("POST", path, UnloadResult, patient=True, query=query)

    def unload_all(self, *, force: bool = False, when_idle: bool = False) -> UnloadAllResult:
        """Answers when all memory is free. Models that answer are left, unless `force`."""
        query = _unload_query(force=force, when_idle=when_idle)
        return self._ask(
            "POST", "/v1/models/unload-all", UnloadAllResult, patient=True, query=query
        )

    def model_settings(self, name: str) -> ModelSettingsBody:
        return self._ask("GET", _model_path(name, "settings"), ModelSettingsBody)

    def change_model_settings(self, name: str, changes: Mapping[str, object]) -> ModelSettingsBody:
        """What holds after `changes`, of which None resets a setting."""
        check_numbers(changes)
        body = encoded({"settings": changes})
        return self._ask("PATCH", _model_path(name, "settings"), ModelSettingsBody, body=body)


def _model_path(name: str, action: str = "") -> str:
    path = f"/v1/models/{in_path(name, of='model')}"
    return f"{path}/{action}" if action else path


def _unload_query(*, force: bool, when_idle: bool) -> dict[str, str]:
    return ({"force": "true"} if force else {}) | ({"when": "idle"} if when_idle else {})
