"""``python -m plugins.sabra.data.from_csv BOXES.csv RELATIONS.csv --out FILE.json``: two tables to a json."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from detplug.cli.run import run
from detplug.engine.atomic_file import write_atomic
from detplug.errors import UserError

from .check import show
from .relation_file import write_relations
from .tables import read_tables


def main(argv: Sequence[str] | None = None) -> None:
    """Read the tables, write the file whole or not at all, and print what is in it."""
    parser = argparse.ArgumentParser(prog='detplug relations-from-csv', description=__doc__)
    parser.add_argument('boxes', help='CSV: image,width,height,object,class,x1,y1,x2,y2')
    parser.add_argument('relations', help='CSV: image,subject,predicate,object')
    parser.add_argument('--out', required=True, help='json to write; replaced where it exists')
    args = parser.parse_args(argv)
    data = read_tables(args.boxes, args.relations)
    text, out = write_relations(data), Path(args.out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, lambda file: file.write(text.encode()))
    except OSError as error:
        raise UserError(f'{out}: cannot write ({error.strerror or error}); choose another --out') from None
    show(data)


if __name__ == '__main__':
    sys.exit(run(main))
