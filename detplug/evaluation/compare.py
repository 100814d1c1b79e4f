"""Two detectors on the same images: the difference of their AP, with intervals from a paired bootstrap over images.

python -m detplug.evaluation.compare FIRST.npz SECOND.npz      (files of tools/test.py --results)

Images are drawn with replacement, the same for both detectors; the interval holds the middle 95 % of the differences.
Classes with fewer than 20 objects get no interval: so few say nothing. T IoU thresholds, K classes.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from detplug.errors import UserError
from detplug.evaluation.image_result import ImageResult, detection_order
from detplug.evaluation.matching import match_image
from detplug.evaluation.results_file import load_results

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
FEWEST = 20  # objects of a class


class ClassMatches(NamedTuple):
    """Detections of a class over all images, best first: ``image`` (D,), ``right`` (D, T), ``counts`` (D, T) bool;
    ``objects`` (images,)."""

    image: np.ndarray
    right: np.ndarray
    counts: np.ndarray
    objects: np.ndarray


def class_matches(images: Sequence[ImageResult], classes: int) -> list[ClassMatches]:
    """The K tables of matches from which AP is made for any draw of images."""
    rows = []
    for number, image in enumerate(images):
        matches = [match_image(image, threshold) for threshold in IOUS]
        right, silent = (np.stack([x[k] for x in matches], 1) for k in (0, 1))
        in_order = detection_order(image)
        columns = (np.full(len(image.scores), number), image.labels, image.scores, right >= 0, ~silent)
        rows.append([column[in_order] for column in columns])
    image, labels, scores, right, counts = (np.concatenate(x) for x in zip(*rows, strict=True))
    order = np.argsort(-scores, kind='stable')
    tables = []
    for label in range(classes):
        mine = order[labels[order] == label]
        objects = [int(((x.gt_labels == label) & ~x.gt_ignored).sum()) for x in images]
        tables.append(ClassMatches(image[mine], right[mine], counts[mine], np.array(objects)))
    return tables


def average_precision(matches: ClassMatches, weights: np.ndarray) -> float:
    """COCO's AP, IoU .50 to .95, where image i is there ``weights[i]`` times; nan without an object."""
    total = float(weights @ matches.objects)
    if not total:
        return float('nan')
    weight = weights[matches.image][:, None] * matches.counts
    right = np.cumsum(weight * matches.right, axis=0)
    seen = np.cumsum(weight, axis=0)
    precision = np.divide(right, seen, out=np.zeros_like(right, float), where=seen > 0)
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    precision = np.concatenate([precision, np.zeros((1, len(IOUS)))])
    recall = right / total
    levels = [np.searchsorted(recall[:, k], RECALLS, side='left') for k in range(len(IOUS))]
    return float(np.mean([precision[level, k].mean() for k, level in enumerate(levels)]))


def paired_bootstrap(
    first: Sequence[ImageResult],
    second: Sequence[ImageResult],
    classes: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float, float]]:
    """Class name, and 'all' for the mean over classes -> difference of AP (second less first), low, high.

    Classes with fewer than ``FEWEST`` objects are left out, and do not count in 'all'.

    Raises:
        UserError: the two are not of the same images.
    """
    if [x.img_id for x in first] != [x.img_id for x in second]:
        raise UserError('the two files are not of the same images; test both checkpoints on the same split')
    tables = [class_matches(images, len(classes)) for images in (first, second)]
    shown = [k for k in range(len(classes)) if tables[0][k].objects.sum() >= FEWEST]
    generator = np.random.default_rng(seed)
    weights = [np.ones(len(first)), *generator.multinomial(len(first), np.full(len(first), 1 / len(first)), draws)]
    gains = np.array(
        [[average_precision(tables[1][k], w) - average_precision(tables[0][k], w) for k in shown] for w in weights]
    ).reshape(len(weights), len(shown))
    names = [classes[k] for k in shown]
    if shown:
        gains, names = np.column_stack([np.nanmean(gains, axis=1), gains]), ['all', *names]
    low, high = np.nanpercentile(gains[1:], (2.5, 97.5), axis=0) if shown else ([], [])
    return {name: (float(gains[0, k]), float(low[k]), float(high[k])) for k, name in enumerate(names)}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog='compare', description=__doc__.splitlines()[0])
    parser.add_argument('first')
    parser.add_argument('second')
    parser.add_argument('--draws', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(argv)
    (first, classes), (second, others) = load_results(args.first), load_results(args.second)
    if classes != others:
        raise UserError(f'{args.second}: classes {", ".join(others)}; {args.first} has {", ".join(classes)}')
    table = Table('class', 'AP, second less first', '95 % interval')
    for name, (gain, low, high) in paired_bootstrap(first, second, classes, args.draws, args.seed).items():
        table.add_row(name, f'{gain:+.3f}', f'{low:+.3f} .. {high:+.3f}')
    Console().print(table)
    return 0


if __name__ == '__main__':
    from detplug.cli.run import run

    sys.exit(run(main))
