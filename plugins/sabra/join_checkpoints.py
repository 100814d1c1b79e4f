"""One checkpoint from a detector's and a relation head's, which learned apart.

detplug join-checkpoints DETECTOR.pth HEAD.pth OUT.pth

The head is that of a RelationDetector trained in `boxes` mode; the result is for a config with that detector and the
same head. Both must have the same classes; in another order or spelling, the detector's are put in the head's order.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from detplug.engine.atomic_file import write_atomic
from detplug.engine.checkpoint import load_file
from detplug.engine.weights import classes_of, state_of
from detplug.errors import UserError

from .class_order import class_rows, reorder_classifier

HEAD = 'relation_head.'


def join(detector: str | Path, head: str | Path, out: str | Path, same_classes: bool = False) -> None:
    """Write ``out`` with the tensors of both.

    Args:
        same_classes: a file that names no classes has those of the other, in their order.

    Raises:
        UserError: a file is missing or names no classes, ``head`` has no relation head, or the classes differ.
    """
    first, second = load_file(detector), load_file(head)
    tensors = {name: x for name, x in state_of(second).items() if name.startswith(HEAD)}
    if not tensors:
        raise UserError(f'{head}: no relation head in it; give the checkpoint of a RelationDetector')
    names, others = classes_of(first), classes_of(second)
    for path, given in ((detector, names), (head, others)):
        if given is None and not same_classes:
            raise UserError(f'{path}: classes: it names none; if they are those of the other file, give --same-classes')
    state = state_of(first)
    if names and others and names != others:
        rows = class_rows(names, others)
        if rows is None:
            raise UserError(f'{head}: classes: not those of {detector}; train the head on the same classes')
        state = state if rows == sorted(rows) else reorder_classifier(state, rows, str(detector))
    state = {f'detector.{name}': x for name, x in state.items()} | tensors
    write_atomic(Path(out), lambda file: torch.save(dict(state_dict=state, meta=second.get('meta', {})), file))


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('detector')
    parser.add_argument('head')
    parser.add_argument('out')
    same = 'a file that names no classes has those of the other, in their order'
    parser.add_argument('--same-classes', action='store_true', help=same)
    args = parser.parse_args(argv)
    join(args.detector, args.head, args.out, args.same_classes)
    print(f'checkpoint {args.out}')


if __name__ == '__main__':
    from detplug.cli.run import run

    sys.exit(run(main))
