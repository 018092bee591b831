"""Jobs that this process computes itself, beside its requests; they are listed like all others."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from service.errors import Problem
from service.jobs import Job, JobTable, LeaseLost
from service.processes import this_process

BEAT_S = 1.0


class Background:
    """Runs coroutines as jobs of the table, with cancel and a time limit."""

    def __init__(self, table: JobTable) -> None:
        self.table = table
        self.name = this_process()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self,
        kind: str,
        owner: str,
        model: str,
        work: Coroutine[Any, Any, dict[str, Any]],
        timeout_s: float,
    ) -> Job:
        """List a job and begin its work. Raises `Problem` when the table is full or fails."""
        try:
            job = await asyncio.to_thread(
                self.table.add_running, kind, owner, model, runner=self.name
            )
        except BaseException:
            work.close()
            raise
        task = asyncio.create_task(self._run(job, work, timeout_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def stop(self) -> None:
        """End what still runs; its jobs fail with that reason."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(
        self, job: Job, work: Coroutine[Any, Any, dict[str, Any]], timeout_s: float
    ) -> None:
        task = asyncio.create_task(work)
        deadline = asyncio.get_running_loop().time() + timeout_s
        status, result, error = "failed", None, "The server stopped. Send it again."
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=BEAT_S)
                if task.done():
                    break
                if await asyncio.to_thread(self.table.beat, job):
                    status, error = "cancelled", "It was cancelled."
                    break
                if asyncio.get_running_loop().time() > deadline:
                    error = f"It ran longer than {timeout_s:g} s, the time it was given."
                    break
            if task.done():
                status, result, error = _outcome(task)
        except LeaseLost:
            return
        finally:
            task.cancel()
            await asyncio.shield(self._end(job, status, result, error))

    async def _end(self, job: Job, status: str, result: dict[str, Any] | None, error: str) -> None:
        try:
            await asyncio.to_thread(self.table.end, job, status, result, error or None)
        except (LeaseLost, Problem):
            return


def _outcome(
    task: "asyncio.Task[dict[str, Any]]",
) -> tuple[str, dict[str, Any] | None, str]:
    error = task.exception()
    if error is None:
        return "succeeded", task.result(), ""
    return "failed", None, error.detail if isinstance(error, Problem) else "The task failed."
