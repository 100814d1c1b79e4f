"""The folder of a prediction: which run it holds, its list of pictures, and which shards are finished."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from detplug import __version__
from detplug.errors import UserError
from detplug.images.sources import FrozenList, ItemList
from detplug.runtime.shard import PICTURES, Settings, finished

RUN, INPUTS = 'run.json', 'inputs.jsonl'
MOST_IN_SHARD = 1000  # pictures
FEWEST_SHARDS = 64  # where there are that many pictures, so that processes share them well
OURS = ('part-*.parquet', 'images-*.parquet', '*-[0-9][0-9][0-9][0-9][0-9].parquet', 'errors.parquet', '*.part',
        'predictions.json', 'relations.json', RUN, INPUTS)  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """A run in its folder.

    Attributes:
        items: the list of pictures.
        files: how many there are.
        shard_size: pictures of a shard.
        resumed: whether the folder held this run already.
    """

    out: Path
    items: FrozenList
    files: int
    shard_size: int
    resumed: bool

    @property
    def shards(self) -> range:
        """Numbers of all shards."""
        return range(-(-self.files // self.shard_size))

    def left(self, part: int = 1, parts: int = 1) -> list[int]:
        """Shards of the ``part``-th of ``parts`` jobs (from 1) that are not finished."""
        return [number for number in self.shards[part - 1 :: parts] if not finished(self.out, number)]


def open_run(out: Path, items: ItemList, settings: Settings, identity: dict, overwrite: bool = False) -> RunFolder:
    """The folder ``out`` for this run: begun, or resumed where it holds the same one.

    Raises:
        UserError: it holds the results of another run, and ``overwrite`` is not set.
    """
    out.mkdir(parents=True, exist_ok=True)
    fresh = out / f'.{INPUTS}.{os.getpid()}'
    try:
        files = items.freeze(fresh).count()
        shard_size = max(1, min(MOST_IN_SHARD, -(-files // FEWEST_SHARDS)))
        run = dict(
            detplug=__version__,
            engine=identity,
            settings=asdict(settings),
            files=files,
            inputs=digest(fresh),
            shard_size=shard_size,
        )
        old = read_run(out)
        if old is not None and old != run:
            if not overwrite:
                changed = ', '.join(key for key in run if old.get(key) != run[key])
                raise UserError(f'{out}: --out: holds the results of another run ({changed} differ); '
                                'give another folder, or --overwrite')  # fmt: skip
            clear(out)
            old = None
        if old is None:
            clear(out)  # what a run that never began to write has left
            os.replace(fresh, out / INPUTS)
            write_json(out / RUN, run)
    finally:
        fresh.unlink(missing_ok=True)
    if settings.pictures:
        (out / PICTURES).mkdir(exist_ok=True)
    return RunFolder(out, FrozenList(out / INPUTS), files, shard_size, old is not None)


def read_run(out: Path) -> dict | None:
    """The run of a folder, None where it holds none that began."""
    try:
        return json.loads((out / RUN).read_text())
    except (OSError, ValueError):
        return None


def clear(out: Path) -> None:
    """Remove what a prediction wrote into ``out``, and nothing else."""
    for pattern in OURS:
        for path in out.glob(pattern):
            path.unlink()
    if (out / PICTURES).is_dir():
        shutil.rmtree(out / PICTURES)


def write_json(path: Path, content) -> None:
    """Written aside, synced, renamed."""
    part = path.with_name(f'{path.name}.part')
    with open(part, 'w', encoding='utf-8') as file:
        json.dump(content, file, indent=1)
        file.write('\n')
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def digest(inputs: Path) -> str:
    """sha256 over the list and over size and time of each of its files: changed pictures are another run."""
    state = hashlib.sha256()
    with open(inputs, encoding='utf-8') as lines:
        for line in lines:
            state.update(line.encode())
            try:
                stat = os.stat(json.loads(line)['path'])
                state.update(f'{stat.st_size} {stat.st_mtime_ns}'.encode())
            except OSError:
                state.update(b'missing')
    return state.hexdigest()
