"""Shards on several machines by Ray Data (extra ``[ray]``): actors that open the engine once and do shard after shard.

All machines must see the pictures and the folder of the results under the same paths.
"""

from collections.abc import Iterator, Sequence

import cv2

from detplug.errors import UserError
from detplug.runtime.shard import Counts
from detplug.runtime.workers import Job


class ShardActor:
    """Opens the engine of a job and does the shards of its batches."""

    def __init__(self, job: Job) -> None:
        cv2.setNumThreads(1)
        self.job, self.engine = job, job.open(1)

    def __call__(self, batch: dict) -> dict:
        counts = [self.job.do(self.engine, int(number)) for number in batch['item']]
        return {name: [getattr(x, name) for x in counts] for name in Counts.__dataclass_fields__}


def run_on_ray(job: Job, shards: Sequence[int], workers: int) -> Iterator[Counts]:
    """As :func:`detplug.runtime.workers.run_shards`, by ``workers`` actors of the cluster, or of this machine.

    Raises:
        UserError: Ray is not installed.
    """
    try:
        import ray.data
    except ModuleNotFoundError as error:
        raise UserError(f"--engine ray: {error.name} is not installed; pip install 'detplug[ray]'") from error
    if not shards:
        return
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    numbers = ray.data.from_items(list(shards))
    done = numbers.map_batches(ShardActor, fn_constructor_args=(job,), batch_size=1, concurrency=workers, num_cpus=1)
    for row in done.iter_rows():
        yield Counts(**row)
