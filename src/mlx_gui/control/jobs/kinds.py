"""The table of the kinds of job."""

from collections.abc import Mapping

from mlx_gui.control.jobs.base import JobKind
from mlx_gui.control.jobs.benchmark import MeasureSpeed
from mlx_gui.control.jobs.converting import ConvertModel
from mlx_gui.control.jobs.download import Download
from mlx_gui.control.jobs.importing import ImportModel
from mlx_gui.control.jobs.starter import InstallStarter

JOB_KINDS: Mapping[str, type[JobKind]] = {
    kind.name: kind for kind in (InstallStarter, Download, ImportModel, ConvertModel, MeasureSpeed)
}
