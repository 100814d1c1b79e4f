"""One checkpoint from a detector's and a relation head's, which learned apart.

detplug join-checkpoints DETECTOR.pth HEAD.pth OUT.pth

The head is that of a RelationDetector trained in `boxes` mode; the result is for a config with that detector and the
same head. Both must have the same classes.
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

HEAD = 'relation_head.'


def join(detector: str | Path, head: str | Path, out: str | Path) -> None:
    """Write ``out`` with the tensors of both.

    Raises:
        UserError: a file is missing, ``head`` has no relation head, or the classes differ.
    """
    first, second = load_file(detector), load_file(head)
    tensors = {name: x for name, x in state_of(second).items() if name.startswith(HEAD)}
    if not tensors:
        raise UserError(f'{head}: no relation head in it; give the checkpoint of a RelationDetector')
    names, others = classes_of(first), classes_of(second)
    if names is not None and names != others:
        raise UserError(f'{head}: classes: not those of {detector} in their order; train the head on the same classes')
    state = {f'detector.{name}': x for name, x in state_of(first).items()} | tensors
    write_atomic(Path(out), lambda file: torch.save(dict(state_dict=state, meta=second.get('meta', {})), file))


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments and join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('detector')
    parser.add_argument('head')
    parser.add_argument('out')
    args = parser.parse_args(argv)
    join(args.detector, args.head, args.out)
    print(f'checkpoint {args.out}')


if __name__ == '__main__':
    from detplug.cli.run import run

    sys.exit(run(main))
