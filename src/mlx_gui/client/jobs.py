"""Work that takes long."""

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import in_path
from mlx_gui.wire.jobs import JobBody, JobList, RemovedJob


class JobCalls(Connection):
    """What is asked of jobs, and done to them."""

    def jobs(self) -> JobList:
        return self._ask("GET", "/v1/jobs", JobList)

    def job(self, job_id: str) -> JobBody:
        return self._ask("GET", _job_path(job_id), JobBody)

    def pause_job(self, job_id: str) -> JobBody:
        """Answers when it rests. Conflict for one that has ended."""
        return self._ask("POST", _job_path(job_id, "pause"), JobBody, patient=True)

    def resume_job(self, job_id: str) -> JobBody:
        """Conflict for one that is done or cancelled."""
        return self._ask("POST", _job_path(job_id, "resume"), JobBody, patient=True)

    def cancel_job(self, job_id: str) -> JobBody:
        """Answers when it has ended. Conflict for one that had before."""
        return self._ask("POST", _job_path(job_id, "cancel"), JobBody, patient=True)

    def remove_job(self, job_id: str) -> RemovedJob:
        """Conflict for one that has not ended."""
        return self._ask("DELETE", _job_path(job_id), RemovedJob)


def _job_path(job_id: str, action: str = "") -> str:
    path = f"/v1/jobs/{in_path(job_id, of='job')}"
    return f"{path}/{action}" if action else path
