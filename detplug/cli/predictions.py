"""``predict``, whichever engine detects: list the pictures, run the shards, say what came of them. Needs no torch."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from detplug.cli.predict import DRAWN, TOP
from detplug.errors import UserError
from detplug.images.sources import list_items
from detplug.outcome import note_outcome
from detplug.runtime.collect import counts_of, write_errors, write_predictions
from detplug.runtime.engine import Engine, EngineSource
from detplug.runtime.ids import ImageIds, ids_of
from detplug.runtime.result_field import ResultField, result_fields
from detplug.runtime.review_gallery import write_queue
from detplug.runtime.review_queue import Order, check_order, first_boxes, orders
from detplug.runtime.run_folder import RunFolder, open_run
from detplug.runtime.shard import Counts, Settings
from detplug.runtime.thresholds import chosen_of, describe, lowest_scores, parse_thresholds
from detplug.runtime.workers import Job, cores, run_shards

MOST_IN_JSON = 10_000  # pictures
WORTH_PROCESSES = 64  # pictures; starting processes takes longer than fewer


def predict(source: EngineSource, paths: Sequence[str], out: Path, args: argparse.Namespace) -> int:
    """Predict the pictures of ``paths`` into ``out`` as the command line says; returns the exit status.

    Raises:
        UserError: wrong options, an engine that does not open, or results of another run in ``out``.
    """
    part, parts = shard_of(args.shard)
    engine = source.open()  # what is wrong with it is said before anything is listed or written
    print(f'device {engine.device}')
    ids = ids_of(args.annotations, engine.names)
    settings, order = settings_of(args, engine, ids), order_of(args, engine)
    items = list_items(paths)
    shown = dict(classes=list(engine.names), window=engine.window and list(engine.window))
    run = open_run(out, items, settings, source.identity() | shown, args.overwrite)
    for line in items.skipped_lines():
        print(line)
    left = run.left(part, parts)
    job = Job(source, settings, run, ids)
    if run.resumed:
        print(f'{out}: holds this run: {len(run.shards) - len(run.left())} of {len(run.shards)} shards are there')
    workers = workers_of(args, engine, len(left), run.files)
    total = run_all(job, left, workers, engine, args.engine)
    status = say(run, total, fields_of(engine), engine, args)
    if order is not None and not run.left():
        say_queue(run, order, args.top or TOP, engine, ids)
    return status


def run_all(job: Job, left: list[int], workers: int, engine: Engine, on: str) -> Counts:
    """Do the shards that are left, with progress on the screen."""
    if on == 'ray':
        from detplug.runtime.ray_workers import run_on_ray as runner
    else:
        runner = run_shards
    if workers > 1:
        print(f'{workers} processes')
    total = Counts()
    size = job.run.shard_size
    with Progress(transient=True, disable=len(left) * size < 2) as progress:
        task = progress.add_task('predict', total=min(len(left) * size, job.run.files))
        for counts in runner(job, left, workers) if workers > 1 or on == 'ray' else here(job, left, engine):
            total += counts
            progress.advance(task, counts.files)
    return total


def here(job: Job, left: list[int], engine: Engine):
    """The shards in this process, whose engine is open."""
    engine = job.settings.engine(engine)
    return (job.do(engine, number) for number in left)


def say(run: RunFolder, total: Counts, fields: dict[str, ResultField], engine: Engine, args: argparse.Namespace) -> int:
    """Write what is made of all shards, say what came of the pictures; returns the exit status."""
    if total.files > 1:
        print(f'{total.files} pictures in {total.seconds:.1f} s, {total.files / total.seconds:.1f} a second')
    waiting = run.left()
    if waiting:
        print(f'{total.files} pictures done; {len(waiting)} of {len(run.shards)} shards are left to other jobs')
        return status_of(total, args.strict)
    total = counts_of(run, list(run.shards))
    note_outcome(out=run.out, pictures=total.files, failed=total.failed, boxes=total.boxes)
    print(f'{total.boxes} boxes in {total.files - total.failed} pictures: {run.out}')
    if run.files <= MOST_IN_JSON or args.json:
        for name, rows in write_predictions(run, fields).items():
            print(f'{rows} {"boxes" if name == "predictions" else name}: {run.out}/{name}.json')
    else:
        print(f'no predictions.json of {run.files} pictures; --json writes it, part-*.parquet hold the boxes')
    drawn = min(run.files, settings_pictures(args))
    if drawn < run.files and not args.no_pictures:
        print(f'the first {drawn} of {run.files} pictures are drawn; --pictures N for others')
    for name in engine.fields:
        if name not in fields:
            print(f'{name}: neither drawn nor written, no installed plugin has this field')
    errors = write_errors(run)
    for row in errors:
        print(f'not used: {row["error"]}', file=sys.stderr)
    if total.failed:
        print(f'{total.failed} of {total.files} pictures could not be used: {run.out}/errors.parquet', file=sys.stderr)
    return status_of(total, args.strict)


def order_of(args: argparse.Namespace, engine: Engine) -> Order | None:
    """The order of the review queue, None where none is asked for.

    Raises:
        UserError: ``--top`` alone, or a detector without what the order needs.
    """
    if args.queue is None:
        if args.top is not None:
            raise UserError('--top: has no effect without --queue; add it')
        return None
    order = orders()[args.queue]
    check_order(order, engine)
    return order


def say_queue(run: RunFolder, order: Order, top: int, engine: Engine, ids: ImageIds) -> None:
    """Write the review queue of all shards and say where it is."""
    places = first_boxes(run, order, top)
    known = ids.categories or {name: label + 1 for label, name in enumerate(engine.names)}
    categories = {name: known[name] for name in engine.names}
    for reason in write_queue(run, places, order, categories, engine.window):
        print(f'no crop: {reason}', file=sys.stderr)
    print(f'{len(places)} boxes to look at first ({order.queue.name}): {run.out}/queue.html, queue.csv, queue.json')


def status_of(total: Counts, strict: bool) -> int:
    """2 if no picture could be used, or with ``strict`` any could not."""
    return 2 if total.failed and (strict or total.failed == total.files) else 0


def settings_of(args: argparse.Namespace, engine: Engine, ids: ImageIds) -> Settings:
    """The settings of the command line.

    Raises:
        UserError: options that have no effect.
    """
    fields = fields_of(engine)
    thresholds = {
        name: getattr(args, field.option.name.replace('-', '_')) for name, field in fields.items() if field.option
    }
    if args.overlap is not None and not args.tile:
        raise UserError('--overlap: has no effect without --tile; add it')
    overlap = 0.2 if args.overlap is None else args.overlap
    scores = class_thresholds(args.score_thr, engine)
    highest = max(scores.values())
    settings = Settings(
        highest,
        {name: score for name, score in scores.items() if score < highest},
        thresholds,
        args.tile or 0,
        overlap,
        args.reduce,
        settings_pictures(args),
        ids.categories,
    )
    settings.engine(engine)  # refuses a tile that cannot be
    return settings


def class_thresholds(texts: Sequence[str], engine: Engine) -> dict[str, float]:
    """Class -> lowest score that is kept; where they are not one for all they are said on the screen."""
    given, chosen = parse_thresholds(texts), chosen_of(engine)
    line = describe(given, chosen, engine.names)
    if line is not None:
        print(line)
    return lowest_scores(given, chosen, engine.names)


def settings_pictures(args: argparse.Namespace) -> int:
    """How many pictures are drawn."""
    return 0 if args.no_pictures else args.pictures or DRAWN


def fields_of(engine: Engine) -> dict[str, ResultField]:
    """The fields that the engine may have and a plugin knows."""
    if not engine.fields:
        return {}
    return {name: field for name, field in result_fields().items() if name in engine.fields}


def workers_of(args: argparse.Namespace, engine: Engine, shards: int, files: int) -> int:
    """Processes: as asked for; else a core each on a CPU where there are many pictures, one on an accelerator."""
    if args.workers is not None:
        return min(args.workers, max(shards, 1))
    if 'cuda' in engine.device.lower() or files < WORTH_PROCESSES:
        return 1
    return min(cores(), max(shards, 1))


def shard_of(text: str) -> tuple[int, int]:
    """(i, n) of ``i/n``.

    Raises:
        UserError: anything else.
    """
    match = re.fullmatch(r'(\d+)/(\d+)', text)
    part, parts = map(int, match.groups()) if match else (0, 0)
    if not 1 <= part <= parts:
        raise UserError(f'--shard {text}: the first number is from 1 to the second; such as 1/2')
    return part, parts
