"""`python -m service.runner`: takes jobs from the table and runs each in a process of its own.

The process gets a memory limit, a time limit and a thread limit; it is stopped by its process
group. What was killed is queued again and goes on from its last state. A runner ends when its
standard input does (the server that started it is gone) or on SIGTERM.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from service import logs
from service.database import Database
from service.errors import Problem
from service.jobs import Job, JobTable, LeaseLost
from service.processes import is_dead_here, this_process
from service.settings import Settings
from service.shelf import ModelShelf
from service.state import bundled_models
from service.streams import StreamTable
from service.trainer import EXIT_INTERRUPTED, EXIT_MEMORY, EXIT_REFUSED, MADE, REQUEST
from tcn.checkpoint.atomic import LEFTOVER_AGE_S

logger = logging.getLogger(__name__)

TRAINER = (sys.executable, "-P", "-m", "service.trainer")
POLL_S = 0.05
BEAT_S = 0.5
IDLE_S = 0.5
REAP_S = 1.0
GRACE_S = 3.0


class Runner:
    """Runs jobs until it is told to stop."""

    def __init__(self, settings: Settings, trainer: Sequence[str] = TRAINER) -> None:
        self.settings = settings
        self.trainer = trainer
        self.name = this_process()
        self.table = JobTable(Database(settings.database), settings.max_jobs, settings.job_attempts)
        self.streams = StreamTable(self.table.database, settings.max_streams)
        self.shelf = ModelShelf(settings.store, bundled_models())
        self.stopping = threading.Event()
        self._silent: dict[str, tuple[int, int, float]] = {}
        self._executing: set[str] = set()

    def run(self) -> None:
        """Run jobs on `runner_jobs` threads until `stopping` is set."""
        self.shelf.sweep()
        self._guarded(self.sweep_jobs)
        threads = [
            threading.Thread(target=self._take_jobs, name=f"jobs-{number}")
            for number in range(self.settings.runner_jobs)
        ]
        for thread in threads:
            thread.start()
        while not self.stopping.wait(REAP_S):
            self._guarded(self.look_after_the_dead)
        for thread in threads:
            thread.join()
        self.table.database.close()

    def _take_jobs(self) -> None:
        while not self.stopping.is_set():
            if not self._guarded(self.take_one):
                self.stopping.wait(IDLE_S)

    def _guarded(self, work: Any) -> bool:
        """Do some work; a database or a disk that fails is logged and tried again later."""
        try:
            return bool(work())
        except (Problem, OSError) as error:
            logger.warning("The runner waits: %s", error)
            self.stopping.wait(IDLE_S)
            return False

    def take_one(self) -> bool:
        """Claim and run one job; False when there is none."""
        job = self.table.claim(self.name)
        if job is None:
            return False
        logger.info("job %s: attempt %d", job.id, job.attempts)
        self._executing.add(job.id)
        try:
            _Execution(self, job).run()
        except LeaseLost:
            logger.warning("job %s: another runner has it", job.id)
        finally:
            self._executing.discard(job.id)
        return True

    def sweep_jobs(self) -> None:
        """Remove the files of jobs that ended, and of uploads that never became a job."""
        for directory in (self.settings.state / "jobs").glob("[0-9a-f]" * 32):
            try:
                is_done = self.table.get(directory.name).has_ended
            except Problem as problem:
                if problem.status != 404:
                    raise
                age_s = time.time() - directory.stat().st_mtime
                is_done = age_s > LEFTOVER_AGE_S + self.settings.body_timeout_s
            if is_done:
                shutil.rmtree(directory, ignore_errors=True)

    def look_after_the_dead(self) -> None:
        """Queue the jobs of runners that are gone; forget jobs that ended long ago.

        A job of this runner that it does not work on is one whose end could not be written.
        """
        now = time.monotonic()
        running = self.table.running()
        for job in running:
            token, beats, since = self._silent.get(job.id, (-1, -1, now))
            if (token, beats) != (job.token, job.beats):
                since = now
            self._silent[job.id] = (job.token, job.beats, since)
            is_silent = now - since > self.settings.job_lease_s
            if job.id in self._executing or not (is_silent or is_dead_here(job.runner)):
                continue
            if self.table.take_from_dead(job, "Its runner died."):
                logger.warning("job %s: its runner is gone, it is queued again", job.id)
        for gone in self._silent.keys() - {job.id for job in running}:
            del self._silent[gone]
        self.streams.forget(self.settings.stream_retention_s)
        for job_id in self.table.forget(self.settings.job_retention_s):
            shutil.rmtree(job_directory(self.settings, job_id), ignore_errors=True)


class _Execution:
    """One attempt at one job."""

    def __init__(self, runner: Runner, job: Job) -> None:
        self.runner = runner
        self.settings = runner.settings
        self.table = runner.table
        self.job = job
        self.directory = job_directory(runner.settings, job.id)
        self.progress: dict[str, Any] | None = None
        self.is_new_progress = False
        self.error: str | None = None
        self.facts: dict[str, Any] = {}
        self.furthest = _step_of(job.progress)
        self.advanced = False

    def run(self) -> None:
        """Start the process, watch it, and write how it ended."""
        try:
            self._prepare()
        except OSError as error:
            self.table.end(self.job, "failed", error=f"The job's files: {error.strerror}.")
            return
        process = self._start()
        reader = threading.Thread(target=self._read, args=(process.stdout,))
        reader.start()
        try:
            reason = self._watch(process)
        finally:
            _stop(process)
            reader.join()
            process.stdin.close()  # type: ignore[union-attr]
            process.stdout.close()  # type: ignore[union-attr]
        self._conclude(process.returncode, reason)

    def _prepare(self) -> None:
        request = dict(self.job.params) | {
            "job": self.job.id,
            "model": self.job.model,
            "memory_bytes": self.settings.job_memory_bytes,
            "threads": self.settings.job_threads,
        }
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / REQUEST).write_bytes(orjson.dumps(request))

    def _start(self) -> "subprocess.Popen[bytes]":
        threads = str(self.settings.job_threads)
        limits = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        return subprocess.Popen(
            [*self.runner.trainer, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | limits,
            start_new_session=True,
        )

    def _read(self, output: IO[bytes]) -> None:
        for line in output:
            try:
                message = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if "progress" in message:
                self.progress = message["progress"]
                self.is_new_progress = True
                self.advanced |= _step_of(self.progress) > self.furthest
            elif "error" in message:
                self.error = self._without_places(message["error"])
            else:
                self.facts = message

    def _without_places(self, sentence: str) -> str:
        """Leave out where on the server the files are: clients read this."""
        for place in (self.directory, self.settings.store):
            sentence = sentence.replace(f"{place}{os.sep}", "")
        return sentence

    def _watch(self, process: "subprocess.Popen[bytes]") -> str:
        """Wait for the end; return 'ended', 'cancelled', 'timeout' or 'stopped'."""
        deadline = time.monotonic() + self.settings.job_timeout_s
        beaten_at = 0.0
        while process.poll() is None:
            if self.runner.stopping.is_set():
                return "stopped"
            if time.monotonic() > deadline:
                return "timeout"
            if time.monotonic() - beaten_at > BEAT_S:
                beaten_at = time.monotonic()
                if self._beat():
                    return "cancelled"
            time.sleep(POLL_S)
        return "ended"

    def _beat(self) -> bool:
        progress = self.progress if self.is_new_progress else None
        self.is_new_progress = False
        try:
            return self.table.beat(self.job, progress)
        except Problem as problem:
            logger.warning("job %s: no beat: %s", self.job.id, problem.detail)
            self.is_new_progress = True
            return False

    def _conclude(self, code: int, reason: str) -> None:
        table, job = self.table, self.job
        if reason == "ended" and code == 0:
            self._publish()
        elif reason == "cancelled":
            table.end(job, "cancelled")
        elif reason == "timeout":
            seconds = self.settings.job_timeout_s
            table.end(job, "failed", error=f"It ran longer than {seconds:g} s, the most allowed.")
        elif reason == "stopped" or code == EXIT_INTERRUPTED:
            table.give_back(job, is_attempt=False, reason="The runner stopped.")
            return
        elif code == EXIT_REFUSED:
            table.end(job, "failed", error=self.error or "The data was refused.")
        elif code == EXIT_MEMORY:
            memory = self.settings.job_memory_bytes
            table.end(job, "failed", error=f"It ran out of memory; {memory:,} bytes are allowed.")
        else:
            table.give_back(job, is_attempt=not self.advanced, reason=_death(code))
            return
        shutil.rmtree(self.directory, ignore_errors=True)

    def _publish(self) -> None:
        """Move the model into the store, once, whatever happens in between."""
        job = self.job
        if self.is_new_progress:
            self.table.beat(job, self.progress)
        else:
            self.table.beat(job)
        try:
            name = self.runner.shelf.find_made_by(job.model, job.id)
            if name is None:
                name = self.runner.shelf.publish(self.directory / MADE, job.model, job.version)
        except Problem as problem:
            self.table.end(job, "failed", error=problem.detail)
            return
        self.table.end(job, "succeeded", result={"model": name, **self.facts})


def job_directory(settings: Settings, job_id: str) -> Path:
    """Return the place of a job's files."""
    return settings.state / "jobs" / job_id


def _step_of(progress: Any) -> float:
    step = (progress or {}).get("step", 0)
    return float(step) if isinstance(step, int | float) else 0.0


def _death(code: int) -> str:
    if code < 0:
        return f"Its process was ended by {signal.Signals(-code).name}."
    return f"Its process ended with code {code}."


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process with all that it started: SIGTERM, then SIGKILL."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


@contextlib.contextmanager
def runner_beside(settings: Settings) -> Iterator[None]:
    """Run a runner that ends with this process, if the settings want one."""
    if settings.runner == "none":
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "service.runner"],
        stdin=subprocess.PIPE,
        env=os.environ | settings.to_environment(),
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.terminate()
        process.wait()


def main() -> int:
    """Run jobs until SIGTERM, or until standard input ends where it is a pipe."""
    settings = Settings.from_environment()
    logs.configure(settings.log_format)
    runner = Runner(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stopping.set())
    if _stdin_is_pipe():
        threading.Thread(target=_stop_with_parent, args=(runner,), daemon=True).start()
    runner.run()
    return 0


def _stdin_is_pipe() -> bool:
    try:
        return (os.fstat(0).st_mode & 0o170000) == 0o010000
    except OSError:
        return False


def _stop_with_parent(runner: Runner) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    runner.stopping.set()


if __name__ == "__main__":
    sys.exit(main())
