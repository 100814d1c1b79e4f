"""Results of ``predict`` without a detector: the labels of generated slides, scores that are drawn."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detplug.images.sources import list_items
from detplug.runtime.detections import Detections
from detplug.runtime.run_folder import open_run
from detplug.runtime.shard import Settings, predict_shard

WRONG = 0.1  # share of boxes with another name than their label


class LabelledEngine:
    """An engine (:class:`detplug.runtime.engine.Engine`) that knows the labels of its pictures by their names."""

    batch, fields, window, device, by_name = 8, (), None, 'cpu', True

    def __init__(self, annotations: Sequence[Path], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        contents = [json.loads(path.read_text()) for path in annotations]
        self.categories = {row['id']: row['name'] for row in contents[0]['categories']}
        self.names = tuple(self.categories.values())
        self.rows: dict[str, list[dict]] = {}
        for content in contents:
            files = {image['id']: image['file_name'] for image in content['images']}
            for row in content['annotations']:
                self.rows.setdefault(files[row['image_id']], []).append(row)

    def __call__(self, images: Sequence[np.ndarray], names: Sequence[str]) -> list[Detections]:
        return [self._detect(Path(name).name) for name in names]

    def _detect(self, name: str) -> Detections:
        rows = self.rows.get(name, [])
        boxes = np.array([row['bbox'] for row in rows], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.sort(self.rng.uniform(0.25, 1, len(rows)))[::-1].astype(np.float32)
        labels = np.array([self.names.index(self.categories[row['category_id']]) for row in rows], np.int64)
        wrong = self.rng.random(len(rows)) < WRONG
        labels[wrong] = self.rng.integers(0, len(self.names), wrong.sum())
        return Detections(boxes, scores, labels, self.names)


def write_results(out: Path, images: Path, annotations: Sequence[Path], seed: int = 0) -> int:
    """A finished run in ``out`` over the folder ``images``; returns how many boxes it has."""
    engine, settings = LabelledEngine(annotations, seed), Settings()
    identity = dict(checkpoint='0' * 64, classes=list(engine.names), window=None)
    run = open_run(out, list_items([str(images)]), settings, identity)
    boxes = 0
    for shard in run.shards:
        items = run.items.part_of(shard * run.shard_size, run.shard_size)
        boxes += predict_shard(engine, settings, out, shard, items, [item.number + 1 for item in items]).boxes
    return boxes
