"""Claim: the relation evaluator equals plain loops over the official rules, and evaluates HICO-DET in 1.5 s and 1 GB.

TASK_cases, TASK_mismatches : random cases of 3 images (small boxes, equal overlaps, overlaps of exactly .5, equal
                              scores), and those where any figure differs by more than 1e-12 from the loops of
                              tests/plugins/sabra
mismatches                  : of all tasks
hico_seconds                : processor time for 9,658 images x 100 predictions, default and known-object setting; the
                              arrays are there
memory_mb                   : largest resident memory of the process that does so, annotations and predictions included
over_oracle                 : processor time of a plain loop over that of the evaluator, on 1,000 of these images with
                              equal figures

python benchmarks/relation_evaluator.py      (needs the hico data and the dev extra: the loops are those of the tests)
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SEED, CASES, IMAGES, DETECTIONS, LOOPED = 0, 10_000, 3, 100, 1000
CLOSE = 1e-12  # sums in another order
JITTER, WRONG = 0.15, 0.3  # part of the box's side; of another class


def agree(found: dict[str, float], expected: dict[str, float]) -> bool:
    """Equal names and figures."""
    return found.keys() == expected.keys() and all(abs(found[name] - expected[name]) < CLOSE for name in found)


def cases_of(name: str) -> Callable[[int], tuple[dict, dict]]:
    """seed -> (figures, figures of the loops) of a task."""
    sys.path[:0] = [str(ROOT), str(ROOT / 'tests' / 'plugins' / 'sabra')]
    module = 'test_sabra_diagnosis' if name == 'diagnosis' else f'test_sabra_metrics_{name.removesuffix("_predicate")}'
    module = importlib.import_module(module)
    return globals()[f'{name}_case'](module)


def hico_case(test):
    def case(seed):
        rng, images, results = test.random_case(seed, IMAGES)
        known = rng.choice([1, 0, -1, np.nan], (len(images), len(test.TRIPLETS)))
        expected = {f'map_{key}': value for key, value in test.slow_map(images, results).items()}
        expected |= {f'known_{key}': value for key, value in test.slow_map(images, results, known).items()}
        return test.hico_map(images, results, test.NAMES, known), expected

    return case


def vcoco_case(test):
    def case(seed):
        _, images, results = test.random_case(seed, IMAGES)
        return test.vcoco_ap(images, results, test.NAMES), test.slow_figures(images, results)

    return case


def vrd_case(test):
    def case(seed):
        _, images, results = test.random_case(seed, IMAGES)
        return test.vrd_recall(images, results, tops=test.TOPS, kept=test.KEPT), test.slow_recalls(images, results)

    return case


def vrd_predicate_case(test):
    def case(seed):
        images, results = test.predicate_case(seed, IMAGES)
        figures = test.predicate_recall(images, results, tops=test.TOPS, kept=test.KEPT)
        return figures, test.slow_predicates(images, results)

    return case


def scene_graph_case(test):
    def case(seed):
        _, images, results = test.random_case(seed, IMAGES)
        figures, expected = {}, {}
        for pixel in (0, 1):  # PSG, Visual Genome
            found = test.scene_graph_recall(images, results, test.NAMES, test.TOPS, test.TRAIN, pixel)
            figures |= {f'{key}/{pixel}': value for key, value in found.items()}
            slow = test.slow_figures(images, results, pixel, test.TRAIN)
            expected |= {f'{key}/{pixel}': value for key, value in slow.items()}
        return figures, expected

    return case


def openimages_case(test):
    def case(seed):
        _, images, results = test.random_case(seed, IMAGES)
        return test.openimages_score(images, results, test.NAMES), test.slow_score(images, results)

    return case


def map_case(test):
    def case(seed):
        _, images, results = test.random_case(seed, IMAGES)
        return test.relation_map(images, results, test.NAMES), test.slow_map(images, results)

    return case


def diagnosis_case(test):
    def case(seed):
        images, results = test.random_case(seed, IMAGES)
        rules = test.Rules(subject_label=bool(seed & 1), object_label=bool(seed & 2))
        counts, ap = test.slow_diagnosis(images, results, rules)
        found = test.diagnose(images, results, test.NAMES, rules)
        if found is None or ap['right'] is None:
            return {'none': float(found is not None)}, {'none': float(ap['right'] is not None)}
        gains = {f'gain/{kind}': (1 if ap[kind] is None else ap[kind]) - ap['right'] for kind in test.KINDS}
        flat = {f'gain/{kind}': gain for kind, gain in found.gains.items()} | found.counts
        return flat | {'ap': found.ap, 'right': found.right}, gains | counts | {'ap': ap['right']}

    return case


TASKS = ('hico', 'vcoco', 'vrd', 'vrd_predicate', 'scene_graph', 'openimages', 'map', 'diagnosis')


def near_truth(image, names, rng):
    """100 relations of the truth with moved boxes and, in part, another class."""
    from plugins.sabra.relations import RelationResult

    rows = image.relations if len(image.relations) else np.zeros((1, 3), np.int64)
    boxes = image.boxes if len(image.boxes) else np.array([(0, 0, image.width, image.height)], np.float32)
    labels = image.labels if len(image.labels) else np.zeros(1, np.int64)
    subject, target, predicate = rows[rng.integers(0, len(rows), DETECTIONS)].T
    chosen = np.concatenate([subject, target])
    sides = np.tile(boxes[chosen, 2:] - boxes[chosen, :2], 2)
    moved, kinds = boxes[chosen] + rng.normal(0, JITTER, sides.shape) * sides, labels[chosen]
    wrong = np.flatnonzero(rng.random(DETECTIONS) < WRONG)
    kinds[DETECTIONS + wrong], predicate[wrong] = names.triplets[rng.integers(0, len(names.triplets), len(wrong))].T
    number = np.arange(DETECTIONS)
    triplets = np.stack([number, DETECTIONS + number, predicate], axis=1)
    scores = rng.random(DETECTIONS).astype(np.float32)
    return RelationResult(moved.astype(np.float32), kinds, np.ones(len(kinds), np.float32), triplets, scores)


def loop_map(images, results, names) -> float:
    """map_full by a loop over images and predictions, as public evaluators are written."""
    number = {tuple(row): k for k, row in enumerate(names.triplets.tolist())}
    found, total = [[] for _ in number], [0] * len(number)
    for image, result in zip(images, results, strict=True):
        truth, boxes = {}, image.boxes.astype(float).tolist()
        for s, o, p in image.relations.tolist():
            truth.setdefault(number[int(image.labels[o]), p], []).append((boxes[s], boxes[o]))
        for kind, pairs in truth.items():
            total[kind] += len(pairs)
        taken, mine = set(), result.boxes.astype(float).tolist()
        order = np.argsort(-result.triplet_scores, kind='stable').tolist()
        for row in order:
            s, o, p = result.triplets[row].tolist()
            kind = number.get((int(result.labels[o]), p))
            if kind is None:
                continue
            overlaps = [min(iou(mine[s], a), iou(mine[o], b)) for a, b in truth.get(kind, ())]
            best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
            right = best is not None and overlaps[best] >= 0.5 and (kind, best) not in taken
            if right:
                taken.add((kind, best))
            found[kind].append((float(result.triplet_scores[row]), right))
    values = []
    for rows, objects in zip(found, total, strict=True):
        if objects:
            values.append(eleven_points([right for _, right in sorted(rows, key=lambda x: -x[0])], objects))
    return sum(values) / len(values)


def iou(a, b) -> float:
    """IoU of two xyxy boxes of whole pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)]
    return width * height / (sum(areas) - width * height)


def eleven_points(right, objects: int) -> float:
    """Average precision at the recalls 0, .1, ..., 1."""
    hits, points = 0, []
    for place, hit in enumerate(right, 1):
        hits += hit
        points.append((hits / objects, hits / place))
    return sum(max((p for r, p in points if r >= step * 0.1), default=0) for step in range(11)) / 11


def measure_hico(data: Path) -> None:
    """Print json of seconds, memory and the loop's time; run in a process of its own, without torch."""
    sys.path.insert(0, str(ROOT))
    import resource

    from plugins.sabra.data.hico_pairs import read_pair_lists
    from plugins.sabra.metrics.hico import hico_map

    rng, test = np.random.default_rng(SEED), read_pair_lists(data / 'hico' / 'instances_test2015.json')
    results = [near_truth(image, test.names, rng) for image in test.images]
    known = rng.choice([1, 0], (len(test.images), len(test.names.triplets)), p=[0.005, 0.995])
    seconds = []
    for _ in range(3):
        began = time.process_time()
        figures = hico_map(test.images, results, test.names, known)
        seconds.append(time.process_time() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.process_time()
    slow = loop_map(test.images[:LOOPED], results[:LOOPED], test.names)
    loop = time.process_time() - began
    began = time.process_time()
    fast = hico_map(test.images[:LOOPED], results[:LOOPED], test.names)['map_full']
    ours = time.process_time() - began
    assert abs(slow - fast) < CLOSE and 0.05 < figures['map_full'] < 0.95 and 'torch' not in sys.modules
    print(json.dumps(dict(hico_seconds=sorted(seconds)[1], memory_mb=memory, over_oracle=loop / ours)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--cases', type=int, default=CASES, help='of each task')
    parser.add_argument('--hico', action='store_true', help='measure time and memory in this process, and print them')
    args = parser.parse_args()
    data = Path(os.environ.get('DETPLUG_DATA', ROOT.parent / 'shared' / 'data'))
    if args.hico:
        measure_hico(data)
        return
    figures = {}
    for name in TASKS:
        case, began = cases_of(name), time.process_time()
        wrong = [seed for seed in range(args.cases) if not agree(*case(seed))]
        print(f'{name}: {len(wrong)} mismatches {wrong[:5]} {time.process_time() - began:.0f} s', flush=True)
        figures |= {f'{name}_cases': args.cases, f'{name}_mismatches': len(wrong)}
    figures['mismatches'] = sum(value for name, value in figures.items() if name.endswith('_mismatches'))
    done = subprocess.run([sys.executable, __file__, '--hico'], capture_output=True, text=True, check=True)
    figures |= json.loads(done.stdout.splitlines()[-1])
    from record import record

    record('relation_evaluator', figures, [SEED])


if __name__ == '__main__':
    main()
