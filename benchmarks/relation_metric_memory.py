"""Claim: RelationMetric holds at most 300 MB for 1,000 images x 32 boxes in which every pair has every predicate.

vrd_mb    : 69,440 triplets an image (32 x 31 x 70), boxes near those of the real truth of VRD's test split
vcoco_mb  : 16 of the 32 boxes are persons: 14,848 triplets an image (16 x 31 x 29, and 29 without object a person),
            near the first 1,000 images of V-COCO's validation split
vcoco_all_persons_mb : all 32 boxes are persons: 29,696 triplets an image
CASE_triplets_mb : what the triplets of all images would take
CASE_figure      : relationship_r50_k70, role_ap_s1, agent_ap: that something is found

MB (2**20 bytes) that a process gains from its memory before the first image to its largest until the figures are there;
the truth was read before. Images are given one by one, as a test does, and nothing but the metric keeps them.

python benchmarks/relation_metric_memory.py      (needs the vrd and vcoco data)
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
IMAGES, BOXES, SEED = 1000, 32, 0
JITTER = 0.1  # part of a box's side
# case -> file below the data, protocol, persons among the boxes (None: as the truth has them), a figure
CASES = {
    'vrd': ('vrd/annotations_test.json', 'vrd', None, 'relationship_r50_k70'),
    'vcoco': ('vcoco/everything_val.txt', 'vcoco', 16, 'role_ap_s1'),
    'vcoco_all_persons': ('vcoco/everything_val.txt', 'vcoco', 32, 'agent_ap'),
}


def result_of(image: Any, names: Any, persons: int | None, rng: np.random.Generator) -> Any:
    """32 boxes, those of the truth among them, moved a little; every pair of them with every predicate.

    Args:
        persons: that many boxes are persons and these are the subjects, also without object; None: any box is.
    """
    from plugins.sabra.relations import NO_OBJECT, RelationResult

    corner, side = rng.random((BOXES, 2)) * (image.width, image.height), 20 + 80 * rng.random((BOXES, 2))
    boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    labels = rng.integers(0, len(names.objects), BOXES)
    order = np.argsort(image.labels != 0, kind='stable')  # of the truth, persons first
    place = np.append(np.argsort(order), NO_OBJECT)  # of each object of the truth; the last stands for no object
    order = order[:BOXES]
    sides = np.tile(image.boxes[order, 2:] - image.boxes[order, :2], 2)
    boxes[: len(order)] = image.boxes[order] + JITTER * rng.standard_normal(sides.shape) * sides
    labels[: len(order)] = image.labels[order]
    subject, target, predicate = np.indices((BOXES, BOXES, len(names.predicates))).reshape(3, -1)
    scores, kept = rng.random((BOXES, BOXES, len(names.predicates))), subject != target
    first, second = place[image.relations[:, 0]], place[image.relations[:, 1]]
    second = np.where(second == NO_OBJECT, first, second)  # a box with itself stands for no object
    known = np.maximum(first, second) < BOXES
    scores[first[known], second[known], image.relations[known, 2]] += 1
    if persons is not None:
        labels[:persons] = 0
        target = np.where(kept, target, NO_OBJECT)
        kept = subject < persons
    triplets = np.stack([subject, target, predicate], axis=1)[kept]
    return RelationResult(boxes, labels, np.ones(BOXES, np.float32), triplets, scores.ravel()[kept].astype(np.float32))


def samples(data: Any, persons: int | None) -> Iterator[dict]:
    """A data sample an image."""
    rng = np.random.default_rng(SEED)
    for image in data.images:
        yield dict(relation_truth=image, pred_relations=result_of(image, data.names, persons, rng))


def measure(case: str, data: Any) -> dict[str, float]:
    """Figures of a case in this process; ``data``: the truth (RelationSet)."""
    from annotations import peak_bytes

    from plugins.sabra.metrics.metric import RelationMetric

    _, protocol, persons, figure = CASES[case]
    metric = RelationMetric(protocol)
    metric.dataset_meta = dict(classes=data.names.objects, predicates=data.names.predicates)
    Path('/proc/self/clear_refs').write_text('5')  # the largest memory so far is forgotten
    before, triplets = peak_bytes(), 0
    for sample in samples(data, persons):
        result = sample['pred_relations']
        triplets += result.triplets.nbytes + result.triplet_scores.nbytes
        metric.process(None, [sample])
    figures = metric.evaluate(len(data.images))
    return {
        f'{case}_mb': (peak_bytes() - before) / 2**20,
        f'{case}_triplets_mb': triplets / 2**20,
        f'{case}_figure': figures[figure],
    }


def truth_of(case: str, root: Path) -> Any:
    """The first images of a case's annotations."""
    from detplug.engine.quiet import quiet_imports

    with quiet_imports():
        from plugins.sabra.evaluator.truth import read_truth
    path, protocol, *_ = CASES[case]
    data = read_truth(root / path, protocol)
    data.images = data.images[:IMAGES]
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--case', choices=CASES, help='measure this one in this process, and print it')
    args = parser.parse_args()
    if args.case:
        sys.path.insert(0, str(ROOT))
        root = Path(os.environ.get('DETPLUG_DATA', ROOT.parent / 'shared' / 'data'))
        print(json.dumps(measure(args.case, truth_of(args.case, root))))
        return
    figures = {}
    for case in CASES:
        words = [sys.executable, __file__, '--case', case]
        figures |= json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    from record import record

    record('relation_metric_memory', figures, [SEED])


if __name__ == '__main__':
    main()
