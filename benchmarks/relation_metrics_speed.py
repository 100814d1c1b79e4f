"""Claim: HICO-DET's whole test set is evaluated in less than 12 s, V-COCO's validation set in less than 2 s.

hico_seconds  : 9,658 images x 100 detections, default and known-object setting, image-level labels read already
vcoco_seconds : 2,867 images x 100 detections, agents and roles in both scenarios

The detections are seeded boxes near those of the real truth, in part with another class; the arrays are there already,
as after a test. The median of three runs.

python benchmarks/relation_metrics_speed.py      (needs the hico and vcoco data)
"""

import os
import statistics
import time
from pathlib import Path

import numpy as np
from record import record

from plugins.sabra.data.hico_pairs import read_pair_lists
from plugins.sabra.data.vcoco import read_split
from plugins.sabra.metrics.hico import hico_map
from plugins.sabra.metrics.known_objects import labels_of
from plugins.sabra.metrics.vcoco import vcoco_ap
from plugins.sabra.relations import NO_OBJECT, RelationImage, RelationNames, RelationResult

ROOT = Path(__file__).resolve().parents[1]
DETECTIONS, SEED, RUNS = 100, 0, 3
JITTER, WRONG, EMPTY = 0.15, 0.3, 0.1  # part of the box's side; of other classes; without object


def near_truth(
    image: RelationImage, rng: np.random.Generator, names: RelationNames, missing: bool = False
) -> RelationResult:
    """100 relations of the truth with moved boxes; of an image without any, boxes anywhere."""
    rows = image.relations if len(image.relations) else np.array([(0, 0, 0)])
    boxes = image.boxes if len(image.boxes) else np.array([(0, 0, image.width, image.height)], np.float32)
    labels = image.labels if len(image.labels) else np.zeros(1, np.int64)
    subject, target, predicate = rows[rng.integers(0, len(rows), DETECTIONS)].T
    empty = target == NO_OBJECT
    chosen = np.concatenate([subject, np.where(empty, subject, target)])
    sides = np.tile(boxes[chosen, 2:] - boxes[chosen, :2], 2)
    moved = boxes[chosen] + rng.normal(0, JITTER, sides.shape) * sides
    kinds = labels[chosen]
    wrong = np.flatnonzero(rng.random(DETECTIONS) < WRONG)
    if names.triplets is None:
        predicate[wrong] = rng.integers(0, len(names.predicates), len(wrong))
    else:
        kinds[DETECTIONS + wrong], predicate[wrong] = names.triplets[rng.integers(0, len(names.triplets), len(wrong))].T
    if missing:
        empty |= rng.random(DETECTIONS) < EMPTY
    number = np.arange(DETECTIONS)
    triplets = np.stack([number, np.where(empty, NO_OBJECT, DETECTIONS + number), predicate], axis=1)
    scores = rng.random(DETECTIONS).astype(np.float32)
    return RelationResult(moved.astype(np.float32), kinds, np.ones(len(kinds), np.float32), triplets, scores)


def seconds(call) -> float:
    """Median of RUNS calls."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        figures = call()
        times.append(time.perf_counter() - began)
    print({name: round(value, 4) for name, value in figures.items() if '/' not in name})
    return statistics.median(times)


def main() -> None:
    data = Path(os.environ.get('DETPLUG_DATA', ROOT.parent / 'shared' / 'data'))
    rng = np.random.default_rng(SEED)
    test = read_pair_lists(data / 'hico' / 'instances_test2015.json')
    results = [near_truth(image, rng, test.names) for image in test.images]
    known = labels_of(test.images, data / 'hico' / 'anno.mat')
    figures = dict(hico_seconds=seconds(lambda: hico_map(test.images, results, test.names, known)))
    figures['hico_detections'] = sum(len(result.triplets) for result in results)
    val = read_split(data / 'vcoco', 'val')
    results = [near_truth(image, rng, val.names, missing=True) for image in val.images]
    figures['vcoco_seconds'] = seconds(lambda: vcoco_ap(val.images, results, val.names))
    figures['vcoco_detections'] = sum(len(result.triplets) for result in results)
    record('relation_metrics_speed', figures, [SEED])


if __name__ == '__main__':
    main()
