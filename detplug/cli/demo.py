"""``demo``: the whole job on generated sample data, in steps that plugins bring, and a page of what they made.

D/index.html shows every figure and picture and links every report and file; D/demo.json has the figures and the minutes
of each step.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from rich.console import Console
    from rich.table import Table

    import detplug.register  # noqa: F401
    from detplug.cli.demo_page import write_page
    from detplug.cli.demo_step import Demo, DemoStep, in_order
    from detplug.entry_points import plugin_table


@dataclass(frozen=True)
class Minutes:
    """What a step took: ``wall`` by the clock, ``cpu`` of all its threads and processes."""

    wall: float
    cpu: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run every step and print where the results are; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='demo', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--work-dir', default='work_dirs/demo', help='where it exists: the first free DIR-2, DIR-3, ...'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the trainings')
    args = parser.parse_args(argv)
    steps: dict[str, DemoStep] = plugin_table('demo_steps', 'STEPS', {})
    order, left_out = in_order(steps)
    for name, reason in left_out.items():
        print(f'without "{steps[name].title}": {reason}')  # rich would eat the brackets of an extra
    demo = Demo(free_folder(Path(args.work_dir)), args.seed)
    minutes = run_steps(demo, {name: steps[name] for name in order})
    write_page(demo.root / 'index.html', demo, steps, left_out, minutes)
    Console().print(_summary(demo, minutes))
    return 0


def run_steps(demo: Demo, steps: dict[str, DemoStep]) -> dict[str, Minutes]:
    """Run the steps in this order; demo.json is written after each, so that a demo that is stopped leaves it."""
    console = Console()
    minutes: dict[str, Minutes] = {}
    demo.root.mkdir(parents=True)
    for number, (name, step) in enumerate(steps.items(), 1):
        console.rule(f'[bold]{number}/{len(steps)} {step.title}', align='left')
        wall, cpu = time.monotonic(), _cpu_seconds()
        demo.step = name
        demo.results[name] = step.run(demo)
        minutes[name] = Minutes((time.monotonic() - wall) / 60, (_cpu_seconds() - cpu) / 60)
        _write_figures(demo, minutes)
    return minutes


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _write_figures(demo: Demo, minutes: dict[str, Minutes]) -> None:
    figures = {key: value for result in demo.results.values() for key, value in result.figures.items()}
    total = sum(x.wall for x in minutes.values())
    facts = dict(minutes=total, steps={name: asdict(x) for name, x in minutes.items()}, **figures)
    (demo.root / 'demo.json').write_text(json.dumps(facts, indent=2) + '\n')


def free_folder(root: Path) -> Path:
    """``root``, or the first ``root-2``, ``root-3``, ... that does not exist: a demo never overwrites another."""
    candidate, number = root, 1
    while candidate.exists():
        number += 1
        candidate = root.with_name(f'{root.name}-{number}')
    return candidate


def _summary(demo: Demo, minutes: dict[str, Minutes]) -> Table:
    table = Table(title='detplug demo', show_header=False)
    for result in demo.results.values():
        for name, value in result.shown.items():
            table.add_row(name, value)
    table.add_row('minutes', f'{sum(x.wall for x in minutes.values()):.1f}')
    table.add_row('all pictures, reports and files', str(demo.root / 'index.html'))
    return table
