"""Shards on the processes of one machine: one process a core with one thread each, or this process with all."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cv2

from detplug.errors import UserError
from detplug.runtime.engine import Engine, EngineSource
from detplug.runtime.ids import ImageIds
from detplug.runtime.run_folder import RunFolder
from detplug.runtime.shard import Counts, Settings, predict_shard


@dataclass(frozen=True)
class Job:
    """What each process needs: how to open the engine, the settings, the run and the ids of its pictures."""

    source: EngineSource
    settings: Settings
    run: RunFolder
    ids: ImageIds

    def open(self, threads: int | None = None) -> Engine:
        """The engine as the settings use it."""
        return self.settings.engine(self.source.open(threads))

    def do(self, engine: Engine, number: int) -> Counts:
        """Predict one shard."""
        size = self.run.shard_size
        items = self.run.items.part_of(number * size, size)
        return predict_shard(engine, self.settings, self.run.out, number, items, [self.ids.of(x) for x in items])


def run_shards(job: Job, shards: Sequence[int], workers: int) -> Iterator[Counts]:
    """Do ``shards``; yields what came of each when it is written.

    Raises:
        UserError: a process was killed; what is finished stays.
    """
    if workers < 2:
        engine = job.open()
        yield from (job.do(engine, number) for number in shards)
        return
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, context, start_worker, (job,)) as pool:
        left, running = iter(shards), set()
        try:
            for number in left:
                running.add(pool.submit(do_shard, number))
                if len(running) > 2 * workers:
                    running = yield from _finished(running)
            while running:
                running = yield from _finished(running)
        except BrokenProcessPool as error:
            raise UserError(
                f'{job.run.out}: a process was killed, perhaps for want of memory; what is finished stays: '
                'run the same command again, with fewer --workers'
            ) from error


def _finished(running: set[Future]) -> Iterator[Counts]:
    done, running = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        yield future.result()
    return running


_state: list = []  # of a worker process: its job and its engine


def start_worker(job: Job) -> None:
    """Open the engine of a worker process, with one thread."""
    os.environ['OMP_NUM_THREADS'] = '1'
    cv2.setNumThreads(1)
    _state[:] = job, job.open(1)


def do_shard(number: int) -> Counts:
    """Predict one shard in a worker process."""
    job, engine = _state
    return job.do(engine, number)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


Runner = Callable[[Job, Sequence[int], int], Iterator[Counts]]
