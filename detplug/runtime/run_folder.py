"""The folder of a prediction: which run it holds, its list of pictures, and which shards are finished."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from detplug import __version__
from detplug.errors import UserError
from detplug.images.sources import FrozenList, ItemList
from detplug.runtime.result_field import result_fields
from detplug.runtime.shard import PICTURES, Settings, finished
from detplug.runtime.tables import part_of

RUN, INPUTS = 'run.json', 'inputs.jsonl'
LEAST_IN_SHARD, MOST_IN_SHARD = 16, 1000  # pictures
FEWEST_SHARDS = 64  # where there are that many pictures, so that processes share them well
LOCK = '.run.lock'
QUEUE = 'queue'  # queue.csv, queue.json, queue.html, and the folder of their crops


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
        UserError: the folder cannot be made; it holds results of another run, or files under the names of results, and
            ``overwrite`` is not set.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # of file systems where nobody makes folders
        raise UserError(f'--out {out}: this folder cannot be made; give another one') from error
    fresh = out / f'.{INPUTS}.{os.getpid()}'
    try:
        files = items.freeze(fresh).count()
        shard_size = max(LEAST_IN_SHARD, min(MOST_IN_SHARD, -(-files // FEWEST_SHARDS)))
        run = dict(
            detplug=__version__,
            engine=identity,
            settings=asdict(settings),
            files=files,
            inputs=digest(fresh),
            shard_size=shard_size,
        )
        with locked(out):  # jobs of an array begin at the same moment
            resumed = read_run(out) == run
            if not resumed:
                check_empty(out, run, overwrite)
                clear(out)
                write_json(out / RUN, run)
            os.replace(fresh, out / INPUTS)  # of a resumed run the same again
    finally:
        fresh.unlink(missing_ok=True)
    if settings.pictures:
        (out / PICTURES).mkdir(exist_ok=True)
    return RunFolder(out, FrozenList(out / INPUTS), files, shard_size, resumed)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """One process at a time, on this machine and on others that share the folder."""
    with open(out / LOCK, 'a') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def check_empty(out: Path, run: dict, overwrite: bool) -> None:
    """Refuse to replace what another run or anybody else has left.

    Raises:
        UserError: there is something, and ``overwrite`` is not set.
    """
    there = results_in(out)
    if overwrite or not there:
        return
    old = read_run(out)
    if old is None:
        raise UserError(f'{out}: --out: holds {there[0].relative_to(out)}, which is not of this run; give another '
                        'folder, or --overwrite')  # fmt: skip
    changed = ', '.join(key for key in run if old.get(key) != run[key])
    raise UserError(f'{out}: --out: holds the results of another run ({changed} differ); '
                    'give another folder, or --overwrite')  # fmt: skip


def read_run(out: Path) -> dict | None:
    """The run of a folder, None where it holds none that began."""
    try:
        return json.loads((out / RUN).read_text())
    except (OSError, ValueError):
        return None


def results_in(out: Path) -> list[Path]:
    """The files in ``out`` under the names of results, whoever wrote them."""
    tables = [name for name, field in result_fields().items() if field.table]
    names = '|'.join(map(re.escape, ('part', 'images', *tables)))
    whole = '|'.join(map(re.escape, (RUN, INPUTS, 'errors.parquet', f'{QUEUE}.csv', f'{QUEUE}.html',
                                          *(f'{x}.json' for x in ('predictions', QUEUE, *tables)))))  # fmt: skip
    of_run = re.compile(rf'((({names})-\d{{5,}}\.parquet)|{whole})(\.\d+\.part)?')
    drawn = re.compile(r'\d{4,}_.*\.jpg', re.DOTALL)
    folders = (out, of_run), (out / PICTURES, drawn)
    found = [path for folder, kind in folders if folder.is_dir() for path in sorted(folder.iterdir())
             if kind.fullmatch(path.name)]  # fmt: skip
    return found + crops_in(out)


def crops_in(out: Path) -> list[Path]:
    """The crops of a review queue in ``out``."""
    folder = out / QUEUE
    return [x for x in sorted(folder.iterdir()) if re.fullmatch(r'\d{4,}\.jpg', x.name)] if folder.is_dir() else []


def clear(out: Path) -> None:
    """Remove the results in ``out``, run.json last, and nothing else."""
    for path in sorted(results_in(out), key=lambda path: path.name == RUN):
        path.unlink()


def write_json(path: Path, content) -> None:
    """Written aside, synced, renamed."""
    part = part_of(path)
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
