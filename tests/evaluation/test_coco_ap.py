"""box_metrics equals pycocotools and keeps its laws."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from image_results import boxes_at_random, make_result, random_result
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detplug.evaluation.coco_ap import box_metrics

CLASSES = ('a', 'b', 'c')


def by_pycocotools(images, classes, max_dets):
    """The same figures from the reference implementation, fed straight from the arrays."""
    truth, predicted = COCO(), COCO()
    frame = {'images': [{'id': i} for i in range(len(images))], 'categories': [{'id': k} for k in range(len(classes))]}
    truth.dataset, predicted.dataset = frame | {'annotations': []}, frame | {'annotations': []}
    for i, x in enumerate(images):
        for box, label, crowd, area in zip(x.gt_boxes, x.gt_labels, x.gt_ignored, x.gt_areas, strict=True):
            truth.dataset['annotations'].append(
                dict(
                    id=len(truth.dataset['annotations']) + 1,
                    image_id=i,
                    category_id=int(label),
                    area=float(area),
                    bbox=[*box[:2], *(box[2:] - box[:2])],
                    iscrowd=int(crowd),
                )
            )
        for box, label, score in zip(x.boxes, x.labels, x.scores, strict=True):
            wh = box[2:] - box[:2]
            predicted.dataset['annotations'].append(
                dict(
                    id=len(predicted.dataset['annotations']) + 1,
                    image_id=i,
                    category_id=int(label),
                    score=float(score),
                    bbox=[*box[:2], *wh],
                    area=float(wh.prod()),
                )
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        predicted.createIndex()
        run = COCOeval(truth, predicted, 'bbox')
        run.params.maxDets = [1, 10, max_dets]
        run.evaluate()
        run.accumulate()
    p, r = run.eval['precision'][..., -1], run.eval['recall'][..., 0, -1]
    parts = {
        'map': p[..., 0],
        'map50': p[0, ..., 0],
        'map75': p[5, ..., 0],
        'ar': r,
        'map_s': p[..., 1],
        'map_m': p[..., 2],
        'map_l': p[..., 3],
    }
    parts |= {f'ap/{name}': p[:, :, k, 0] for k, name in enumerate(classes)}
    parts |= {f'ap50/{name}': p[0, :, k, 0] for k, name in enumerate(classes)}
    return {name: float(x[x > -1].mean()) for name, x in parts.items() if (x > -1).any()}


@pytest.mark.parametrize('seed', range(12))
def test_equals_pycocotools_with_crowds_and_more_detections_than_the_limit(seed):
    rng = np.random.default_rng(seed)
    images = [random_result(rng, i, objects=12, detections=60) for i in range(6)]
    for max_dets in (12, 100, 300):
        ours, theirs = box_metrics(images, CLASSES, max_dets), by_pycocotools(images, CLASSES, max_dets)
        assert ours.keys() == theirs.keys()
        assert max(abs(ours[name] - theirs[name]) for name in theirs) < 1e-9


def test_truth_as_prediction_scores_one_in_crowded_images_unless_the_limit_caps_it():
    rng = np.random.default_rng(0)
    images = []
    for i in range(3):
        truth, labels = boxes_at_random(rng, 250, size=900), np.zeros(250, int)
        images.append(make_result(i, truth, labels, truth, labels, np.ones(250), size=900))
    assert box_metrics(images, CLASSES, 300)['map'] == 1.0
    assert box_metrics(images, CLASSES, 300)['ap50/a'] == 1.0
    assert box_metrics(images, CLASSES, 100)['map'] < 0.5


@pytest.mark.parametrize('ties', [False, True])
def test_the_order_of_detections_does_not_matter(ties):
    rng = np.random.default_rng(3)
    images = [random_result(rng, i) for i in range(5)]
    if ties:
        images = [replace(x, scores=x.scores.round(1)) for x in images]
    shuffled = []
    for x in images:
        order = rng.permutation(len(x.scores))
        shuffled.append(replace(x, boxes=x.boxes[order], labels=x.labels[order], scores=x.scores[order]))
    assert box_metrics(images, CLASSES, 300) == box_metrics(shuffled, CLASSES, 300)


def test_no_detections_score_zero_and_classes_without_objects_are_left_out():
    metrics = box_metrics([make_result(0, [[0, 0, 10, 10]], [1])], CLASSES, 300)
    assert metrics['map'] == metrics['ap/b'] == metrics['ar'] == 0
    assert 'ap/a' not in metrics and 'ap50/c' not in metrics and 'map_l' not in metrics


@pytest.mark.parametrize(
    'images', [[], [make_result(0)], [make_result(0, predicted=[[0, 0, 9, 9]], predicted_labels=[0], scores=[0.9])]]
)
def test_no_objects_at_all_give_cocos_minus_one(images):
    assert box_metrics(images, CLASSES, 300) == dict.fromkeys(('map', 'map50', 'map75', 'ar'), -1.0)


def test_false_positives_on_images_without_objects_lower_the_ap():
    good = make_result(0, [[0, 0, 50, 50]], [0], [[0, 0, 50, 50]], [0], [0.5])
    empty = make_result(1, predicted=[[0, 0, 50, 50]], predicted_labels=[0], scores=[0.9])
    assert box_metrics([good], CLASSES, 300)['map'] == 1.0
    assert box_metrics([good, empty], CLASSES, 300)['map'] == pytest.approx(0.5)


def test_an_ignored_object_without_class_excuses_detections_of_every_class():
    truth, hidden = [0, 0, 40, 40], [50, 50, 90, 90]
    predicted, labels, scores = [truth, hidden, hidden], [0, 0, 1], [0.5, 0.9, 0.9]
    images = [
        make_result(
            0,
            [truth, truth, hidden],
            [0, 1, -1],
            [*predicted, truth],
            [*labels, 1],
            [*scores, 0.5],
            ignored=[False, False, True],
        )
    ]
    assert box_metrics(images, CLASSES, 300)['map'] == 1.0


def test_every_figure_is_a_plain_float():
    metrics = box_metrics([random_result(np.random.default_rng(1), i) for i in range(3)], CLASSES, 300)
    assert {type(value) for value in metrics.values()} == {float}
