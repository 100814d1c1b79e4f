"""hotcoco's tables equal pycocotools' bit for bit on the cases where evaluations go wrong, the fall-back's to 1e-12.

The cases: crowds, equal scores, areas on the edges of COCO's ranges, limits of detections that cut and that do not,
images without objects, without detections and without either, no detection at all.
"""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from image_results import boxes_at_random, make_result, random_result
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detplug.evaluation import coco_engine
from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.coco_columns import detection_columns, truth_columns
from detplug.evaluation.coco_engine import by_faster_coco_eval, by_hotcoco, coco_dicts

CLASSES = ('a', 'b', 'c')
LIMITS = ([1, 5], [1, 10, 100], [1, 10, 300], [1, 10, 5000])


def by_pycocotools(num_images, classes, truth, detections, limits):
    objects, predicted = COCO(), COCO()
    objects.dataset, predicted.dataset = coco_dicts(num_images, classes, truth, detections)
    with contextlib.redirect_stdout(io.StringIO()):
        objects.createIndex()
        predicted.createIndex()
        run = COCOeval(objects, predicted, 'bbox')
        run.params.maxDets = limits
        run.evaluate()
        run.accumulate()
    return run.eval['precision'], run.eval['recall']


def crowds(rng):
    return [random_result(rng, i, objects=12, detections=150, crowd=0.5) for i in range(6)]


def equal_scores(rng):
    return [replace(x, scores=x.scores.round(1)) for x in crowds(rng)]


def all_scores_equal(rng):
    return [replace(x, scores=np.ones_like(x.scores)) for x in crowds(rng)]


def area_edges(rng):
    """Squares whose area is 32^2 or 96^2, and the next float on either side."""
    images = []
    for i, side in enumerate((32.0, 96.0)):
        sides = np.array([np.nextafter(side, 0), side, np.nextafter(side, 200)])
        boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=1)
        images.append(make_result(i, boxes, [0, 1, 2], boxes, [0, 1, 2], rng.random(3), size=200))
    return images


def equal_overlaps(rng):
    """Two objects of one place, and detections that overlap both alike."""
    box = [10.0, 10, 50, 50]
    return [make_result(0, [box, box], [0, 0], [box, box, box], [0, 0, 0], [0.5, 0.5, 0.4], ignored=[True, False])]


def more_than_the_limit(rng):
    """5,100 detections; the one on the object has the lowest score."""
    truth = [800, 800, 890, 890]
    predicted = [*boxes_at_random(rng, 5099, size=800).tolist(), truth]
    scores = [*rng.uniform(0.5, 1, 5099).round(2), 0.1]
    return [make_result(0, [truth], [0], predicted, [0] * 5100, scores, size=900)]


def empty_images(rng):
    predicted = boxes_at_random(rng, 3)
    return [
        make_result(0),
        make_result(1, predicted=predicted, predicted_labels=[0, 1, 1], scores=[0.9, 0.8, 0.8]),
        make_result(2, predicted, [0, 0, 2]),
        *crowds(rng),
        make_result(9),
    ]


def no_detections(rng):
    return [make_result(0, boxes_at_random(rng, 3), [0, 1, 2]), make_result(1)]


def no_objects(rng):
    return [
        make_result(0, predicted=boxes_at_random(rng, 2), predicted_labels=[0, 1], scores=[0.5, 0.5]),
        make_result(1),
    ]


def only_ignored_objects_of_no_class(rng):
    return [replace(x, gt_labels=x.gt_labels * 0 - 1, gt_ignored=x.gt_ignored | True) for x in crowds(rng)] + crowds(
        rng
    )


CASES = (
    crowds,
    equal_scores,
    all_scores_equal,
    area_edges,
    equal_overlaps,
    more_than_the_limit,
    empty_images,
    no_detections,
    no_objects,
    only_ignored_objects_of_no_class,
)


def arguments(images):
    return len(images), CLASSES, truth_columns(images, len(CLASSES)), detection_columns(images, len(CLASSES))


@pytest.mark.parametrize('limits', LIMITS, ids=str)
@pytest.mark.parametrize('case', CASES, ids=lambda case: case.__name__)
def test_both_engines_give_pycocotools_tables(case, limits):
    given = arguments(case(np.random.default_rng(0)))
    expected = by_pycocotools(*given, limits)
    for engine, tolerance in ((by_hotcoco, 0), (by_faster_coco_eval, 1e-12)):
        for table, theirs in zip(engine(*given, limits), expected, strict=True):
            assert table.shape == theirs.shape
            assert np.abs(table - theirs).max() <= tolerance, engine.__name__


def test_the_cases_hold_what_they_are_named_for():
    rng = np.random.default_rng(0)
    cut, whole = (by_hotcoco(*arguments(more_than_the_limit(rng)), [limit])[1][..., -1].max() for limit in (5000, 5100))
    assert (cut, whole) == (0, 1)
    ties = equal_scores(rng)
    assert any(len(np.unique(x.scores)) < len(x.scores) for x in ties) and any(x.gt_ignored.any() for x in ties)
    recall = by_hotcoco(*arguments(area_edges(rng)[:1]), [1, 10, 100])[1][0, :, :, -1]  # (K, A)
    assert (recall[:, 1:] > -1).sum(axis=1).tolist() == [1, 2, 1]  # both ranges hold their common edge


def test_the_order_of_the_detections_in_the_columns_is_ours():
    image = make_result(
        0, predicted=[[5, 0, 9, 9], [1, 0, 9, 9], [3, 0, 9, 9]], predicted_labels=[1, 1, 0], scores=[0.5] * 3
    )
    assert detection_columns([image], 2).boxes[:, 0].tolist() == [3, 1, 5]


def test_detections_of_no_class_count_for_nothing_and_print_nothing(capfd):
    images = crowds(np.random.default_rng(1))
    more = [
        replace(
            x,
            boxes=np.concatenate([x.boxes, x.boxes]),
            labels=np.concatenate([x.labels, np.resize([-1, 3], len(x.labels))]),
            scores=np.concatenate([x.scores, x.scores]),
        )
        for x in images
    ]
    assert box_metrics(more, CLASSES, 300) == box_metrics(images, CLASSES, 300)
    assert capfd.readouterr() == ('', '')


def test_without_hotcoco_the_fall_back_says_so_once_and_gives_the_same_figures(monkeypatch):
    images = equal_scores(np.random.default_rng(2))
    expected, lines = box_metrics(images, CLASSES, 300), []
    coco_engine.default_engine.cache_clear()
    monkeypatch.setattr(coco_engine, 'find_spec', lambda name: None)
    monkeypatch.setattr(coco_engine, 'print_log', lambda line, **kwargs: lines.append(line))
    try:
        for _ in range(2):
            assert box_metrics(images, CLASSES, 300) == pytest.approx(expected, abs=1e-12)
        assert coco_engine.default_engine() is by_faster_coco_eval
    finally:
        coco_engine.default_engine.cache_clear()
    assert len(lines) == 1 and 'hotcoco is not installed' in lines[0] and 'make setup' in lines[0]
