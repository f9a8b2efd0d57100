"""Requests: into their model's queue, to its worker, to their end."""

import asyncio

import structlog

from mlx_gui.control.residency.entry import Entry
from mlx_gui.control.residency.leaving import Leaving
from mlx_gui.control.residency.loading import Loading, waited_too_long
from mlx_gui.control.residency.models import Models
from mlx_gui.control.residency.prompt_room import make_room
from mlx_gui.control.residency.submission import Lease, Submission
from mlx_gui.control.workers.process import WorkerProcess
from mlx_gui.core.ask import end_of
from mlx_gui.core.capabilities import check_capability
from mlx_gui.core.errors import (
    Cancelled,
    Conflict,
    ContextTooLong,
    ErrorInfo,
    MlxGuiError,
    QueueFull,
    RequestCancelled,
)
from mlx_gui.core.generation import Failed, Usage

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Asking:
    """Belongs to the run loop, which calls one method after the other.

    What a method raises is the answer to whoever posted the event.
    """

    def __init__(self, models: Models, loading: Loading, leaving: Leaving) -> None:
        self._models = models
        self._loading = loading
        self._leaving = leaving

    # --- into the queue ----------------------------------------------------------------------

    def on_submit(self, submission: Submission) -> None:
        try:
            self._accept(submission)
        except MlxGuiError as error:
            # Not by whoever submitted it: that one may be gone by now.
            submission.fail(error.info())
            raise

    def _accept(self, submission: Submission) -> None:
        """Put it into its queue. Raises what waiting would not mend."""
        self._models.refuse_when_stopping()
        check_capability(submission.model, submission.ask.needs)
        entry = self._models.entry(submission.model)
        self._loading.refuse_hopeless(entry)
        if entry.queue.full_for(submission.ask.tenant, self._models.settings.max_queue):
            raise QueueFull(
                f"{len(entry.queue)} requests wait for {entry.model.id} already.",
                hint="Try again later, or raise max_queue.",
                retry_after_s=5,
            )
        self._bound_wait(submission)
        entry.queue.push(submission)
        self._leaving.touch(entry)

    def _bound_wait(self, submission: Submission) -> None:
        """Let `submission` wait for so long, from now on."""
        submission.timer = asyncio.get_running_loop().call_later(
            self._models.settings.queue_timeout_s,
            self._models.post,
            self._on_queue_timeout,
            submission,
        )

    def _on_queue_timeout(self, submission: Submission) -> None:
        entry = self._models.entries.get(submission.model.id)
        if entry is None or submission not in entry.queue:
            return
        error = waited_too_long("request", entry, self._models.settings.queue_timeout_s)
        self._leave_queue(entry, submission)
        submission.fail(error.info())

    def _leave_queue(self, entry: Entry, submission: Submission) -> None:
        entry.queue.remove(submission)
        submission.stop_timer()
        self._loading.stop_unasked(entry)
        self._models.changed(entry)

    # --- to the worker -----------------------------------------------------------------------

    def grant_all(self, now_s: float) -> None:
        """Give the free credits of every model to whoever is next."""
        for entry in self._models.entries.values():
            while (submission := entry.grantable(now_s)) is not None:
                entry.queue.take(submission)
                self._grant(entry, submission)

    def _grant(self, entry: Entry, submission: Submission) -> None:
        assert entry.worker is not None, "a free credit has a worker"
        submission.stop_timer()
        entry.stay.stop_expiry()
        entry.stay.keep_alive(submission.keep_alive_s)
        entry.leases[submission.ask.id] = Lease(submission)
        entry.worker.answer(submission.ask, submission.mailbox)
        submission.observer.granted(submission.ask)
        self._models.changed(entry)

    # --- to its end --------------------------------------------------------------------------

    def on_abandon(self, answer_id: str) -> None:
        for entry in self._models.entries.values():
            if (lease := entry.leases.get(answer_id)) is not None:
                lease.given_up = True
                if entry.worker is not None:
                    entry.worker.cancel(answer_id)
                return
            if (submission := entry.queue.find(answer_id)) is not None:
                self._leave_queue(entry, submission)
                submission.fail(Cancelled("The request was cancelled.").info())
                return

    def on_cancel(self, answer_id: str) -> None:
        """As `on_abandon`, with a word to whoever reads it."""
        for entry in self._models.entries.values():
            lease = entry.leases.get(answer_id)
            submission = entry.queue.find(answer_id) if lease is None else lease.submission
            if submission is not None:
                error = RequestCancelled("Somebody who may has cancelled this request.")
                submission.cancelled = error.info()
                submission.mailbox.put(Failed(submission.cancelled))
                self.on_abandon(answer_id)
                return
        raise Conflict(f"The request {answer_id} has ended, or has not begun to wait yet.")

    def on_request_ended(self, worker: WorkerProcess, answer_id: str, last: Usage | Failed) -> None:
        entry = self._models.entry_of(worker)
        if entry is None:
            return
        if (lease := entry.leases.pop(answer_id, None)) is not None:
            lease.submission.end(end_of(last, given_up=lease.given_up))
        if isinstance(last, Usage):
            entry.load.failures_in_a_row = 0
        if not entry.leases:
            worker.measure()
        self._leaving.touch(entry)
        self._leaving.replace_aged(entry)

    def on_request_returned(self, worker: WorkerProcess, answer_id: str, error: ErrorInfo) -> None:
        """Nothing of it was answered, so that another worker may take it, once for each reason."""
        entry = self._models.entry_of(worker)
        lease = None if entry is None else entry.leases.pop(answer_id, None)
        if entry is None or lease is None:
            return
        submission = lease.submission
        hopeless = lease.given_up or self._models.stopping
        if hopeless or not self._may_try_again(entry, submission, error):
            submission.fail(error, given_up=lease.given_up)
        else:
            self._bound_wait(submission)
            entry.queue.put_back(submission)
            log.info(
                "request_returned",
                request_id=submission.ask.request_id,
                answer_id=answer_id,
                model=entry.model.id,
                code=error.code,
            )
        self._leaving.touch(entry)
        self._leaving.replace_aged(entry)

    def _may_try_again(self, entry: Entry, submission: Submission, error: ErrorInfo) -> bool:
        if error.code == ContextTooLong.code:
            return make_room(self._models, entry, submission, too_long=error)
        tried, submission.tried_again = submission.tried_again, True
        return not tried
