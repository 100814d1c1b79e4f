"""``predict BUNDLE`` and ``predict CONFIG CHECKPOINT`` write the same, through one road."""

import json

import cv2
import numpy as np
import pytest

from detplug.engine.torch_engine import TorchEngine
from detplug.images.sources import list_items
from detplug.runtime.collect import write_predictions
from detplug.runtime.detections import Detections
from detplug.runtime.ids import ImageIds
from detplug.runtime.onnx_engine import OnnxEngine
from detplug.runtime.result_field import result_fields
from detplug.runtime.run_folder import open_run
from detplug.runtime.shard import PICTURES, Settings, predict_shard
from plugins.sabra.relation_field import Relations

PIPELINE = [
    dict(type='mmdet.LoadImageFromNDArray'),
    dict(type='Letterbox', scale=(64, 64), fixed=True, centre=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_offset'),
    ),
]


@pytest.fixture
def torch_engine(toy, monkeypatch) -> TorchEngine:
    """The toy detector behind torch's engine."""
    monkeypatch.setitem(toy.dataset_meta, 'predicates', ())
    return TorchEngine(toy, PIPELINE, batch=2)


def predict(engine, images, out, fields=(), **settings) -> dict[str, list]:
    """The rows of predictions.json, and of the tables of ``fields``."""
    settings = Settings(pictures=len(images), **settings)
    run = open_run(out, list_items([str(x) for x in images]), settings, {'engine': 'of a test'})
    for number in run.shards:
        items = run.items.part_of(number * run.shard_size, run.shard_size)
        predict_shard(engine, settings, out, number, items, [ImageIds().of(x) for x in items])
    names = write_predictions(run, {name: result_fields()[name] for name in fields})
    return {name: json.loads((out / f'{name}.json').read_text()) for name in names}


def vectors(rows: list[dict]) -> np.ndarray:
    """(N, 7): image and class, far from any other, box in pixels and score."""
    return np.array([(row['image_id'] * 1e4, row['category_id'] * 1e3, *row['bbox'], row['score']) for row in rows])


def test_boxes_and_pictures_are_the_same(torch_engine, bundle, val_images, tmp_path):
    folders = tmp_path / 'torch', tmp_path / 'bundle'
    engines = torch_engine, OnnxEngine(bundle.folder)
    first, second = (
        predict(engine, val_images, out, score_thr=0.1)['predictions']
        for engine, out in zip(engines, folders, strict=True)
    )
    assert len(first) == len(second) > 10 and all(row.keys() == first[0].keys() for row in [*first, *second])
    distance = np.abs(vectors(first)[:, None] - vectors(second)).max(2)  # equal scores come in any order
    assert distance.min(0).max() < 0.02 and distance.min(1).max() < 0.02
    names = [sorted(path.name for path in (out / PICTURES).iterdir()) for out in folders]
    assert names[0] == names[1] and len(names[0]) == len(val_images)
    for name in names[0]:
        pictures = [cv2.imread(str(out / PICTURES / name)).astype(int) for out in folders]
        assert np.abs(pictures[0] - pictures[1]).mean() < 1  # a frame may be one pixel off where a corner is at .5


class Relating:
    """An engine whose detections have three relations in every picture."""

    fields, device, batch, window = ('relations',), 'cpu', 2, None

    def __init__(self, engine):
        self.engine, self.names = engine, engine.names

    def __call__(self, images):
        pairs = np.array([[0, 1, 0], [1, -1, 1], [1, 0, 0]])
        relations = Relations(pairs, np.array([0.9, 0.5, 0.1]), ('hold', 'run'))
        return [Detections(x.boxes, x.scores, x.labels, x.names, {'relations': relations}) for x in self.engine(images)]


def test_relations_are_numbered_by_the_list_of_boxes(torch_engine, val_images, tmp_path):
    settings = dict(score_thr=0, thresholds={'relations': 0.5})
    tables = predict(Relating(torch_engine), val_images[:2], tmp_path, ['relations'], **settings)
    boxes, relations = tables['predictions'], tables['relations']
    assert [row['predicate'] for row in relations] == ['hold', 'run'] * 2  # .5 is kept, .1 is not
    for row in relations:
        assert boxes[row['subject']]['file_name'] == row['file_name']
        assert (row['object'] is None) == (row['predicate'] == 'run')
    assert relations[2]['subject'] == sum(row['image_id'] == 1 for row in boxes)
