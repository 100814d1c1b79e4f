"""``predict BUNDLE`` and ``predict CONFIG CHECKPOINT`` write the same, through one writer."""

import json

import cv2
import numpy as np
import pytest

from detplug.cli.predict import bundle_engine
from detplug.cli.predictions import Engine, write_predictions
from detplug.cli.torch_engine import detections_of
from detplug.export import compare
from detplug.export.pipeline import reference_steps
from detplug.export.relations import Relations


@pytest.fixture
def torch_side(toy, drawn_config, monkeypatch) -> Engine:
    """The toy detector in torch, its results made by what ``predict CONFIG CHECKPOINT`` makes them of."""
    samples = []
    monkeypatch.setattr(toy, 'test_step', lambda data, step=toy.test_step: samples.append(step(data)) or samples[-1])
    monkeypatch.setitem(toy.dataset_meta, 'predicates', ())
    detector = compare.TorchDetector(toy, reference_steps(drawn_config, 64))

    def detect(image, path, image_id):
        detector(path)
        return detections_of(samples[-1][0], toy)

    return Engine(detect)


def vectors(rows: list[dict]) -> np.ndarray:
    """(N, 7): image and class, far from any other, box in pixels and score."""
    return np.array([(row['image_id'] * 1e4, row['category_id'] * 1e3, *row['bbox'], row['score']) for row in rows])


def test_boxes_and_pictures_are_the_same(torch_side, bundle, val_images, tmp_path):
    folders = tmp_path / 'torch', tmp_path / 'bundle'
    for engine, out in zip((torch_side, bundle_engine(str(bundle.folder))), folders, strict=True):
        write_predictions(engine, val_images, out, score_thr=0.1)
    first, second = (json.loads((out / 'predictions.json').read_text()) for out in folders)
    assert len(first) == len(second) > 10 and all(row.keys() == first[0].keys() for row in [*first, *second])
    distance = np.abs(vectors(first)[:, None] - vectors(second)).max(2)  # equal scores come in any order
    assert distance.min(0).max() < 0.02 and distance.min(1).max() < 0.02
    names = [sorted(path.name for path in out.iterdir()) for out in folders]
    assert names[0] == names[1] and len(names[0]) == len(val_images) + 1
    for name in names[0][:-1]:
        pictures = [cv2.imread(str(out / name)).astype(int) for out in folders]
        assert np.abs(pictures[0] - pictures[1]).mean() < 1  # a frame may be one pixel off where a corner is at .5


def test_relations_are_numbered_by_the_list_of_boxes(torch_side, val_images, tmp_path):
    def detect(image, path, image_id):
        found = torch_side.detect(image, path, image_id)
        pairs = np.array([[0, 1, 0], [1, -1, 1], [1, 0, 0]])
        object.__setattr__(found, 'relations', Relations(pairs, np.array([0.9, 0.5, 0.1]), ('hold', 'run')))
        return found

    write_predictions(Engine(detect, has_relations=True), val_images[:2], tmp_path, score_thr=0, relation_thr=0.5)
    boxes, relations = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('predictions', 'relations'))
    assert [row['predicate'] for row in relations] == ['hold', 'run'] * 2  # .5 is kept, .1 is not
    for row in relations:
        assert boxes[row['subject']]['file_name'] == row['file_name']
        assert (row['object'] is None) == (row['predicate'] == 'run')
    assert relations[2]['subject'] == sum(row['image_id'] == 1 for row in boxes)
