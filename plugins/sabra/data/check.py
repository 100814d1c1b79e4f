"""``detplug check-relations FILE.json``: is a file of relations well formed, and what is in it?"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from detplug.cli.run import run

from ..relations import RelationSet
from .counts import count_anomalies, count_objects, count_predicates, count_set
from .relation_file import read_relations

SHOWN = 5  # anomalies of a kind, unless all are asked for


def main(argv: Sequence[str] | None = None) -> None:
    """Read the file and print counts and anomalies; a broken file is a UserError, exit status 2."""
    parser = argparse.ArgumentParser(prog='detplug check-relations', description=__doc__)
    parser.add_argument('file', help='json of relations, as docs/own_relations.md describes it')
    parser.add_argument('--images', help='folder of the pictures, for the sizes that the file lacks')
    parser.add_argument('--all', action='store_true', help=f'print every anomaly, not {SHOWN} of each kind')
    args = parser.parse_args(argv)
    show(read_relations(args.file, args.images), args.all)


def show(data: RelationSet, every: bool = False) -> None:
    """Print counts of the set, of its classes and of its predicates, and the anomalies by kind."""
    console = Console(markup=False, highlight=False)
    for title, counts in (
        ('', count_set(data)),
        ('objects', count_objects(data)),
        ('relations', count_predicates(data)),
    ):
        console.print(_table(title, counts))
    for kind, times in count_anomalies(data).items():
        console.print(f'{times:6d} x {kind}')
        lines = [line for line in data.anomalies if line.partition(':')[0] == kind]
        for line in lines if every else lines[:SHOWN]:
            console.print(f'         {line.partition(": ")[2]}', soft_wrap=True)
    console.print('no anomalies' if not data.anomalies else f'{len(data.anomalies)} anomalies: kept, see above')


def _table(title: str, counts: Mapping[str, int]) -> Table:
    table = Table(title or 'count', 'found')
    for name, count in counts.items():
        table.add_row(name, str(count))
    return table


if __name__ == '__main__':
    sys.exit(run(main))
