"""``detplug prepare_data NAME SRC --out D``: an official download to our layout, counted and checked."""

import argparse
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError
from detplug.outcome import note_outcome

with quiet_imports():
    from detplug.data.prepare import Prepared, prepare
    from detplug.data.sources import all_sources


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, prepare, and print the counts and a summary of the anomalies."""
    with quiet_imports():  # plugins are imported here
        sources = all_sources()
    parser = argparse.ArgumentParser(prog='prepare_data', description=__doc__)
    parser.add_argument('name', help=', '.join(sources))
    parser.add_argument('src', help='folder of the unpacked download')
    parser.add_argument('--out', required=True, help='folder to write, e.g. data/bccd')
    args = parser.parse_args(argv)
    if args.name not in sources:
        raise UserError(f'{args.name}: no such data set; one of {", ".join(sources)}')
    show(prepare(sources[args.name], args.src, args.out), args.out)


def show(prepared: Prepared, out: str) -> None:
    """Table of what was counted beside what the publisher states, and the anomalies by kind."""
    console = Console()
    table = Table('count', 'found', 'stated')
    for name in {**prepared.counts, **prepared.official}:
        table.add_row(name, str(prepared.counts.get(name, 0)), str(prepared.official.get(name, '')))
    console.print(table)
    kinds = Counter(line.partition(':')[0] for line in prepared.anomalies)
    for kind, times in kinds.most_common():
        console.print(f'{times:6d} x {kind}')
    note_outcome(counts=prepared.counts, anomalies=kinds, out=out)
    console.print(f'{sum(kinds.values())} anomalies in {out}/anomalies.txt; {len(prepared.links)} files linked')
