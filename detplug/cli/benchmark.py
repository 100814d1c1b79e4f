"""``benchmark BUNDLE``: how fast an exported detector is on this machine, and how much memory it takes; no torch."""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from detplug.cli.command_parser import CommandParser
from detplug.errors import UserError
from detplug.outcome import note_outcome

WARM_UP = 3  # calls before the clock starts
SIDES = (480, 640)  # px, of the noise that is detected in where no picture is given


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    args = make_parser().parse_intermixed_args(argv)
    if not args.seconds > 0:
        raise UserError(f'--seconds {args.seconds:g}: not above 0')
    if args.threads is not None and args.threads < 1:
        raise UserError(f'--threads {args.threads}: not 1 or more')
    figures = measure(args.bundle, args.pictures, args.seconds, args.threads, args.device)
    note_outcome(figures=figures)
    if args.json:
        print(json.dumps(figures))
    else:
        show(figures)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(prog='benchmark', description=__doc__)
    parser.add_argument('bundle', help='folder that export wrote')
    parser.add_argument('pictures', nargs='*', help='by default one of noise, with another number of boxes')
    parser.add_argument('--seconds', type=float, default=5.0, help='of each of the two measurements')
    parser.add_argument('--threads', type=int, help='inside an operator; default: all cores')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, ...')
    parser.add_argument('--json', action='store_true', help='one JSON object instead of a table')
    return parser


def measure(
    folder: str | Path, pictures: Sequence[str], seconds: float, threads: int | None = None, device: str = 'auto'
) -> dict[str, float | int | str]:
    """Figures of one process that takes one picture after the other.

    ``network_ms``: the graph alone, which ends with the suppression of boxes; ``picture_ms``: from the file (or the
    pixels of the noise) to boxes. Both with their 95th percentile, ``_p95``.

    Raises:
        UserError: the bundle or a picture cannot be read.
    """
    from detplug.runtime.bundle import MODEL, Detector

    begun = time.perf_counter()
    detector = Detector(folder, threads, device)
    loaded = time.perf_counter() - begun
    noise = np.random.default_rng(0).integers(0, 256, (*SIDES, 3), np.uint8)
    inputs = list(pictures) or [noise]
    batch = [detector.prepare(inputs[0])]
    network = clock(lambda turn: detector.run(batch), seconds)
    whole = clock(lambda turn: detector(inputs[turn % len(inputs)]), seconds)
    height, width = batch[0].pixels.shape[-2:]
    return {
        'bundle': str(folder),
        'format': str(detector.manifest.get('format')),
        'provider': detector.provider,
        'threads': threads or os.cpu_count() or 1,
        'input': f'{width}x{height}',
        'pictures': len(pictures),
        'model_mb': (Path(folder) / MODEL).stat().st_size / 1e6,
        'load_seconds': loaded,
        **percentiles('network_ms', network),
        **percentiles('picture_ms', whole),
        'pictures_per_second': len(whole) / float(whole.sum()),
        'peak_memory_mb': peak_memory_mb(),
    }


def clock(call: Callable[[int], object], seconds: float) -> np.ndarray:
    """Seconds of each call; calls begin until ``seconds`` are over, and there are at least three."""
    for turn in range(WARM_UP):
        call(turn)
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        call(len(times))
        times.append(time.perf_counter() - start)
    return np.array(times)


def percentiles(name: str, seconds: np.ndarray) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    middle, high = np.percentile(seconds * 1000, (50, 95))
    return {name: float(middle), f'{name}_p95': float(high)}


def peak_memory_mb() -> float:
    """Largest resident memory that this process has had; nan where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return float('nan')
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(figures: dict) -> None:
    """A table for people."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(figures['bundle']), show_header=False, box=None)
    where = f'{figures["provider"]}, {figures["threads"]} threads, input {figures["input"]}'
    source = f'{figures["pictures"]} pictures' if figures['pictures'] else 'a picture of noise'
    rows = {
        'runs on': where,
        'model': f'{figures["model_mb"]:.1f} MB, {figures["format"]}, loaded in {figures["load_seconds"]:.2f} s',
        'network': f'{figures["network_ms"]:.1f} ms, 95 % within {figures["network_ms_p95"]:.1f} ms',
        f'whole ({source})': f'{figures["picture_ms"]:.1f} ms, 95 % within {figures["picture_ms_p95"]:.1f} ms',
        'pictures a second': f'{figures["pictures_per_second"]:.1f}',
        'peak memory': f'{figures["peak_memory_mb"]:.0f} MB',
    }
    for name, value in rows.items():
        table.add_row(escape(name), escape(value))
    Console().print(table)
