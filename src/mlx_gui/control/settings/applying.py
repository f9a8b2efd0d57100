"""What a change of the server's settings sets going for those who read one only now and then."""

from collections.abc import Callable
from dataclasses import dataclass

from mlx_gui.bus import EventBus, Topic
from mlx_gui.config import Config
from mlx_gui.control.boot import Boot
from mlx_gui.control.jobs.bandwidth import Bandwidth
from mlx_gui.control.jobs.owner import Jobs
from mlx_gui.control.machine.recorder import SampleRecorder
from mlx_gui.control.notices.disks import DiskWatch
from mlx_gui.control.removals import Removals
from mlx_gui.control.requests.tracing import Tracing
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.retention import ResponseRetention
from mlx_gui.control.supervision import Background
from mlx_gui.control.updates import Updates
from mlx_gui.control.workers.warm_spare import WarmSpare
from mlx_gui.logging import set_level
from mlx_gui.server_settings import SERVER_SETTINGS

_SHOWN_BY: tuple[Topic, ...] = ("settings", "manager", "memory", "system")


@dataclass(frozen=True, slots=True)
class Applying:
    """Has every part act by what is set now, where it would otherwise go on by what was set before.

    What takes time goes on in the background.
    """

    background: Background
    boot: Boot
    jobs: Jobs
    bandwidth: Bandwidth
    removals: Removals
    retention: ResponseRetention
    spare: WarmSpare
    disks: DiskWatch
    updates: Updates
    tracing: Tracing
    run_loop: RunLoop
    recorder: SampleRecorder
    bus: EventBus

    def changed(self, before: Config, after: Config) -> None:
        """`after` holds from now on."""
        names = {
            row.name
            for row in SERVER_SETTINGS
            if getattr(before, row.name) != getattr(after, row.name)
        }
        if names:
            in_order = (row.name for row in SERVER_SETTINGS if row.name in names)
            self.recorder.mark("settings", text=", ".join(in_order))
        for settings, apply in self._rows(after):
            if not names.isdisjoint(settings):
                apply()
        self.run_loop.settings_changed()
        for topic in _SHOWN_BY:
            self.bus.publish(topic)

    def _rows(self, after: Config) -> tuple[tuple[tuple[str, ...], Callable[[], None]], ...]:
        once = self.background.once
        return (
            (("log_level",), lambda: set_level(after.log_level)),
            (("model_dirs",), lambda: once("rescan", self.boot.search_again())),
            (
                ("responses_retention_days",),
                lambda: once("retention", self.retention.forget_old()),
            ),
            (("trash_retention_days",), lambda: once("trash", self.removals.delete_expired())),
            (
                ("warm_spare", "worker_memory_limit_bytes"),
                lambda: once("spare", self._replace_spare()),
            ),
            (("downloads_at_once",), self.jobs.look_again),
            (("disk_reserve_bytes", "model_dirs"), lambda: once("disks", self.disks.look())),
            (("check_updates", "offline"), lambda: once("updates", self.updates.look())),
            (("otlp_endpoint", "offline"), self.tracing.look),
            (("download_limit_bytes",), self.bandwidth.share_anew),
        )

    async def _replace_spare(self) -> None:
        """It was begun by what was set before; another may follow it."""
        await self.spare.close()
        self.run_loop.settings_changed()
