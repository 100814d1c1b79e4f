"""``detplug evaluate-relations --task hico --gt instances_test2015.json --predictions results.json``.

The figures of HICO-DET, V-COCO, Stanford VRD, PSG, Visual Genome, OpenImages V6 and of your own relations, for the
result files of public code; docs/relation_evaluator.md lists tasks, forms and rules.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detplug.cli.run import run
from detplug.errors import UserError
from detplug.outcome import note_outcome

from ..data.hico_zero_shot import SPLITS, refuse_leakage, unseen_classes
from ..metrics.average_precision import eleven_point
from ..metrics.protocols import PROTOCOLS, check_options, evaluate
from ..relations import NO_OBJECT, RelationNames, RelationResult, RelationSet
from .diagnosis import Diagnosis, Rules, diagnose
from .graph_predictions import FRAME
from .ppdm_predictions import NUMBERINGS
from .predictions import read_predictions
from .report import diagnosis_picture, diagnosis_table, figures_table
from .truth import read_truth
from .whole_file import write_whole

TASKS = {name.replace('_', '-'): name for name in PROTOCOLS}
RULES = {
    'hico': Rules(eleven_point, subject_label=False),
    'vcoco': Rules(subject_label=False, object_label=False),
}
GRAPHS = ('vg', 'psg')


def evaluate_relations(
    data: RelationSet, results: Sequence[RelationResult], task: str, options: Mapping[str, Any] | None = None
) -> tuple[dict[str, float], Diagnosis | None]:
    """Figures 0 .. 1 and the diagnosis.

    Args:
        results: of ``data.images``, in their order.
        task: of :data:`..metrics.protocols.PROTOCOLS`.
        options: of the protocol.

    Raises:
        UserError: an option that the protocol has not, bad indices.
    """
    figures = evaluate(task, data.images, results, data.names, options)
    return figures, diagnose(data.images, results, data.names, RULES.get(task))


def main(argv: Sequence[str] | None = None) -> None:
    """Read, evaluate, print, and write what is asked for."""
    args = _parser().parse_args(argv)
    task = TASKS[args.task]
    data = read_truth(Path(args.gt), task, args.split)
    options = _options(args, task, data.names)
    frame = None if args.frame == 'picture' else tuple(args.frame)
    results, notes = read_predictions(Path(args.predictions), data, task, args.numbering, frame)
    figures, diagnosis = evaluate_relations(data, results, task, options)
    for line in (*_anomalies(data), *notes):
        print(f'note: {line}')
    relations = sum(len(image.relations) for image in data.images)
    note_outcome(figures=figures)
    figures_table(figures, f'{args.task}: {len(data.images)} images, {relations} relations')
    if diagnosis is not None:
        diagnosis_table(diagnosis)
    _write(args, figures, diagnosis)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='detplug evaluate-relations', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--task', required=True, choices=TASKS)
    parser.add_argument('--gt', required=True, help='annotation file of the split')
    parser.add_argument('--predictions', required=True, help='result file, or folder, of any code that is listed')
    parser.add_argument('--split', default='test', choices=('train', 'test'), help='of an annotation file with both')
    parser.add_argument('--known-labels', help="HICO's anno.mat: adds the known-object setting (needs scipy)")
    parser.add_argument('--pairs-of', help='V-COCO: training annotations; leaves out object and action they never pair')
    parser.add_argument('--zero-shot', choices=SPLITS, help='HICO-DET: adds the figures seen and unseen')
    parser.add_argument('--train', help='annotations of the training: for zero-shot recalls, and against leakage')
    parser.add_argument('--by-class', action='store_true', help='average precision or recall of each class in --out')
    parser.add_argument('--numbering', default='coco', choices=NUMBERINGS, help='of ids in PPDM json')
    parser.add_argument(
        '--frame', default=FRAME, type=_frame, help='of boxes of Scene-Graph-Benchmark: SHORTER,LONGER or picture'
    )
    parser.add_argument('--out', help='json with figures, 0 .. 1, and errors')
    parser.add_argument('--picture', help='png of the errors')
    return parser


def _frame(text: str) -> Any:
    if text == 'picture':
        return text
    numbers = text.split(',')
    if len(numbers) != 2 or not all(number.isdecimal() and int(number) for number in numbers):
        raise argparse.ArgumentTypeError(f'{text!r} is neither "picture" nor two numbers such as 600,1000')
    return int(numbers[0]), int(numbers[1])


def _options(args: argparse.Namespace, task: str, names: RelationNames) -> dict[str, Any]:
    """Options of the protocol; one that it has not is an error, not left out."""
    given = dict(
        known_labels=args.known_labels,
        zero_shot=args.zero_shot,
        by_class=args.by_class or None,
        pairs_of=args.pairs_of,
    )
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if name not in PROTOCOLS[task].options:
            raise UserError(f'--{name.replace("_", "-")}: the task {args.task} has no such figure; leave it out')
    if args.train is not None:
        if args.zero_shot is None and task not in GRAPHS:
            raise UserError(f'--train: used by --zero-shot and the tasks {", ".join(GRAPHS)}; leave it out')
        train = read_truth(Path(args.train), task, 'train')
        if (train.names.objects, train.names.predicates) != (names.objects, names.predicates):
            raise UserError(f'{args.train}: names: not those of {args.gt} in their order; give the same data set')
        if args.zero_shot is not None:
            refuse_leakage(train.images, names, unseen_classes(names, args.zero_shot), args.train)
        else:
            options['train_triplets'] = _triplets(train)
    return check_options(task, options)


def _triplets(data: RelationSet) -> np.ndarray:
    """(M, 3) labels of subject, object and predicate of the relations."""
    rows = [np.zeros((0, 3), np.int64)]
    for image in data.images:
        subject, target, predicate = image.relations.T
        ends = [image.labels[subject], np.where(target < 0, NO_OBJECT, image.labels[target])]
        rows.append(np.stack([*ends, predicate], axis=1))
    return np.unique(np.concatenate(rows), axis=0)


def _anomalies(data: RelationSet) -> list[str]:
    count = len(data.anomalies)
    return [f'{count} oddities in the annotations, first: {data.anomalies[0]}'] if count else []


def _write(args: argparse.Namespace, figures: Mapping[str, float], diagnosis: Diagnosis | None) -> None:
    if args.out is not None:
        content = dict(task=args.task, gt=str(args.gt), predictions=str(args.predictions), figures=dict(figures))
        if diagnosis is not None:
            content['errors'] = diagnosis._asdict()
        write_whole(args.out, (json.dumps(content, indent=2) + '\n').encode())
        print(f'figures {args.out}')
    if args.picture is not None:
        if diagnosis is None:
            raise UserError('--picture: the truth has no relation, so there are no errors to draw; leave it out')
        write_whole(args.picture, cv2.imencode('.png', diagnosis_picture(diagnosis))[1].tobytes())
        print(f'picture {args.picture}')


if __name__ == '__main__':
    sys.exit(run(main))
