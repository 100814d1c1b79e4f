"""Fit the noise of `boxes` mode to the detections of a real detector: the table that box_noise.py draws from (ours).

python tools/test.py configs/yolov5/yolov5n_coco-tiny.py checkpoints/yolov5n_coco.pth --results work_dirs/noise.npz \\
    --cfg-options test_dataloader.dataset.ann_file=annotations/instances_train2017.json \\
    test_dataloader.dataset.data_prefix.img=train2017/ model.test_cfg.multi_label=False
detplug fit-noise work_dirs/noise.npz --source 'yolov5n, one name a box (multi_label=False), on coco_tiny train' \\
    --out plugins/sabra/transforms/yolov5n_noise.json

A box has one name, as in the detectors of configs/sabra: with several, each further name would be a wrong box more.

Letters: G objects of the truth, D detections.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from detplug.evaluation.matching import match_by_score, overlaps
from detplug.evaluation.results_file import load_results

from .box_noise import NoiseTable, relative_size

SIZES = 5  # groups of equal numbers of objects, by the root of the share of the image
NEIGHBOUR = 0.1  # IoU with an object from which on a wrong box is described by its place at that object
IOU = 0.5


def fit_noise(
    images: Sequence[tuple[np.ndarray, np.ndarray, tuple[int, int]]],
    detections: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    source: str = '',
) -> NoiseTable:
    """The table of a detector.

    An object is found by the detection of any name that overlaps it most and by at least .5, each detection finds one.

    Args:
        images: boxes (G, 4), labels (G,), (width, height) of each.
        detections: boxes (D, 4), labels (D,), scores (D,) of each, after the detector's own suppression.
    """
    sizes, objects, near, free, total = [], [], [], [], 0
    for (boxes, labels, size), (detected, names, scores) in zip(images, detections, strict=True):
        iou = overlaps(detected, boxes)
        match = match_by_score(iou + 0.5 * (names[:, None] == labels) * (iou >= IOU), scores, IOU)
        rows = np.zeros((len(boxes), 6))
        hit = match >= 0
        rows[match[hit]] = describe(detected[hit], boxes[match[hit]], scores[hit], names[hit] == labels[match[hit]])
        objects.append(rows)
        sizes.append(relative_size(boxes, size))
        total += len(boxes)
        wrong, whose = np.flatnonzero(~hit), iou[~hit].argmax(1) if len(boxes) else np.zeros((~hit).sum(), int)
        close = iou[wrong, whose] >= NEIGHBOUR if len(boxes) else np.zeros(len(wrong), bool)
        there, at = wrong[close], whose[close]
        near += describe(detected[there], boxes[at], scores[there], names[there] == labels[at]).tolist()
        rest = detected[wrong[~close]]
        centre, side = (rest[:, :2] + rest[:, 2:]) / 2 / size, (rest[:, 2:] - rest[:, :2]) / size
        free += np.column_stack([scores[wrong[~close]], centre, side]).tolist()
    sizes, objects = np.concatenate(sizes), np.concatenate(objects)
    edges = np.quantile(sizes, np.arange(1, SIZES) / SIZES)
    group = np.searchsorted(edges, sizes)
    present = np.unique(group)  # few objects, or equal ones, leave groups empty
    edges = edges[present[:-1]]
    by_size = [objects[group == number].round(4).tolist() for number in present]
    near, free = (np.round(rows, 4).tolist() for rows in (near, free))
    return NoiseTable(
        edges.round(5).tolist(), by_size, near, free, len(near) / max(total, 1), len(free) / len(images), source
    )


def describe(detected: np.ndarray, objects: np.ndarray, scores: np.ndarray, same: np.ndarray) -> np.ndarray:
    """(M, 6) rows of detections at objects."""
    side, detected_side = objects[:, 2:] - objects[:, :2], detected[:, 2:] - detected[:, :2]
    shift = ((detected[:, :2] + detected[:, 2:]) - (objects[:, :2] + objects[:, 2:])) / 2 / side
    return np.column_stack([scores, shift, np.log(detected_side / side), same])


def main(argv: Sequence[str] | None = None) -> None:
    """Read results of ``tools/test.py --results`` and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', help='npz of tools/test.py --results')
    parser.add_argument('--source', default='', help='which detector on which images, kept in the table')
    parser.add_argument('--score-thr', type=float, default=0.05, help='detections below are left out')
    parser.add_argument('--out', required=True)
    args = parser.parse_args(argv)
    images, _ = load_results(args.results)
    truth, detections = [], []
    for image in images:
        counts, sure = ~image.gt_ignored, image.scores >= args.score_thr
        truth.append((image.gt_boxes[counts], image.gt_labels[counts], (image.width, image.height)))
        detections.append((image.boxes[sure], image.labels[sure], image.scores[sure]))
    table = fit_noise(truth, detections, args.source)
    Path(args.out).write_text(json.dumps(asdict(table)) + '\n')
    rows = np.array([row for group in table.objects for row in group])
    print(
        f'{len(rows)} objects, {(rows[:, 0] > 0).mean():.3f} found; wrong boxes: {table.near_rate:.2f} an object at '
        f'objects, {table.free_rate:.2f} an image elsewhere'
    )


if __name__ == '__main__':
    main()
