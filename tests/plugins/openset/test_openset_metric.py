"""Open-set figures with answers by hand."""

import numpy as np
import pytest
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from detplug.errors import UserError
from detplug.evaluation.image_result import ImageResult
from plugins.openset.metrics import OpenSetMetric, ranking
from plugins.openset.metrics.known_names import known_detections, wilderness_impact, wilderness_impact_opendet

A, B, C, D, E, FAR = ([x, 0, x + 10, 10] for x in (0, 20, 40, 60, 80, 200))


def image(truth, unknown, detections) -> dict:
    """A data sample: truth [(box, label)], unknown [box], found [(box, label, score, ood score)]."""
    boxes = np.array([x[0] for x in detections], np.float64).reshape(-1, 4)
    predicted = InstanceData(
        bboxes=boxes,
        labels=np.array([x[1] for x in detections], np.int64),
        scores=np.array([x[2] for x in detections], np.float64),
        ood_scores=np.array([x[3] for x in detections], np.float64),
    )
    sample = DetDataSample(
        metainfo=dict(
            img_id=image.count,
            img_path=f'{image.count}.png',
            ori_shape=(50, 300),
            instances=[dict(bbox=box, bbox_label=label, ignore_flag=0) for box, label in truth],
            unknown_instances=[dict(bbox=box, name='worm', ignore_flag=0) for box in unknown],
        )
    )
    sample.pred_instances = predicted
    image.count += 1
    return sample.to_dict()


image.count = 0


def measure(*samples, **kwargs) -> dict:
    metric = OpenSetMetric(**kwargs)
    metric.dataset_meta = dict(classes=('egg', 'cyst'))
    metric.process({}, samples)
    metrics = metric.evaluate(len(samples))
    assert all(x.labels.size == 0 or x.labels.max() < 2 for x in metric.images)  # reports draw known classes
    return metrics


def test_all_right():
    metrics = measure(
        image([(A, 0), (B, 1)], [C], [(A, 0, 0.9, 0.1), (B, 1, 0.8, 0.2), (C, 2, 0.7, 1.0)]),
        image([(A, 0)], [], [(A, 0, 0.6, 0.0)]),
    )
    for name in ('map', 'map50', 'closed_map', 'unknown_ap', 'unknown_ap50', 'u_recall_1', 'auroc', 'aupr'):
        assert metrics[name] == pytest.approx(1), name
    assert metrics['aose'] == metrics['aose_r50'] == metrics['wi'] == metrics['fpr95'] == 0


def test_a_known_name_on_an_unknown_object():
    # egg: 2 objects; detections best first: A right, C on the unknown, B right; recall .8 is nearest to 1 at the third
    samples = image([(A, 0), (B, 0)], [C], [(A, 0, 0.9, 0.1), (C, 0, 0.8, 0.9), (B, 0, 0.7, 0.2), (FAR, 0, 0.06, 0)])
    metrics = measure(samples, mean_recall=0.8)
    assert metrics['aose'] == 1 and 'u_recall_1' not in metrics  # nothing here is named unknown
    assert metrics['wi'] == pytest.approx(1 / 3)
    assert metrics['aose_r80'] == 1  # both eggs are found only at .7, below the .8 on the unknown
    assert metrics['map50'] == pytest.approx((1 * 51 + 2 / 3 * 50) / 101)
    assert 'closed_map' not in metrics and metrics['auroc'] == 1


def test_objects_are_counted_by_the_name_that_a_reader_sees():
    """C is named unknown by its best box, D by a known name, E by none that is shown; A loses its name, B keeps it."""
    samples = [
        image([(A, 0)], [C, D], [(A, 0, 0.3, 0), (A, 2, 0.4, 1), (C, 2, 0.5, 1), (C, 0, 0.3, 1), (D, 1, 0.26, 0)]),
        image([(B, 1)], [E], [(B, 1, 0.9, 0), (E, 1, 0.24, 0), (FAR, 2, 0.9, 1)]),
    ]
    counts = dict(unknown_objects=3, unknown_named=1, unknown_misnamed=1, known_objects=2, known_lost=1)
    assert counts.items() <= measure(*samples).items()
    assert measure(*samples, shown=0.2)['unknown_misnamed'] == 2
    closed = measure(image([(A, 0)], [C], [(C, 0, 0.9, 0)]))
    assert closed['unknown_misnamed'] == 1 and not {'unknown_named', 'known_lost'} & set(closed)
    assert 'unknown_misnamed' not in measure(image([(A, 0)], [], []))


@pytest.mark.parametrize('share', (0.0, 0.3, 1.0))
def test_a_planted_share_of_right_names_is_counted(share):
    rng = np.random.default_rng(0)
    right = rng.random(200) < share
    counts = measure(*(image([], [A], [(A, 2 if x else 0, 0.9, 0.5)]) for x in right))
    named = int(right.sum())
    assert (counts.get('unknown_named', 0), counts['unknown_misnamed']) == (named, 200 - named)


def test_thresholds_of_score_and_recall():
    truth, detections = [(A, 0), (B, 0)], [(A, 0, 0.9, 0.1), (B, 0, 0.8, 0.1), (C, 0, 0.04, 0.9)]
    metrics = measure(image(truth, [C], detections))
    assert metrics['aose'] == 0 and metrics['aose_r50'] == 0 and metrics['wi'] == 0
    assert measure(image(truth, [C], detections), score_thr=0.01)['aose'] == 1
    assert measure(image(truth, [C], detections[:1]))['aose_r50'] == 0  # one of two is found
    assert 'aose_r60' not in measure(image(truth, [C], detections[:1]), mean_recall=0.6)


def test_equal_recall_is_the_mean_over_classes():
    # three eggs are found at .9, the only cyst at .5, below the .7 on the unknown object
    truth = [(A, 0), (B, 0), (D, 0), (E, 1)]
    detections = [(A, 0, 0.9, 0), (B, 0, 0.9, 0), (D, 0, 0.9, 0), (C, 1, 0.7, 0), (E, 1, 0.5, 0)]
    metrics = measure(image(truth, [C], detections), mean_recall=0.6)
    assert metrics['aose_r60'] == 1 and metrics['wi_r60'] == pytest.approx(1 / 5)
    assert measure(image(truth, [C], detections), mean_recall=0.5)['aose_r50'] == 0


def test_wilderness_impact_is_a_ratio_of_means():
    # egg: cut at its only detection: 0 of 1; cyst: 1 object, right only second: 1 of 2 -> (0 + 1) / (1 + 2)
    metrics = measure(image([(A, 0), (B, 1)], [C], [(A, 0, 0.9, 0), (C, 1, 0.9, 1), (B, 1, 0.8, 0)]))
    assert metrics['wi'] == pytest.approx(1 / 3)


def test_nothing_found_and_nothing_there():
    metrics = measure(image([(A, 0)], [C], []))
    assert metrics['aose'] == 0 and 'wi' not in metrics and 'auroc' not in metrics and metrics['queue_recall'] == 0
    empty = measure(image([], [], []))
    assert empty['aose'] == 0 and not {'u_recall_1', 'unknown_ap', 'queue_recall', 'wi'} & empty.keys()


def test_a_missing_meta_key_is_named():
    sample = image([], [], [])
    del sample['unknown_instances']
    with pytest.raises(UserError, match='unknown_instances'):
        measure(sample)


def test_ood_curves_by_hand():
    known, unknown = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.3, 0.9])
    assert ranking.auroc(known, unknown) == pytest.approx((2.5 + 4) / 8)
    assert ranking.fpr95(known, unknown) == 0.5  # .4 lets all known pass, and the unknown at .3
    # thresholds .9: 1/1; .4: 1/2; .3: 2/4; recall grows at .9 and .3
    assert ranking.aupr(known, unknown) == pytest.approx(0.5 * 1 + 0.5 * 0.5)


@pytest.mark.parametrize('seed', range(5))
def test_ood_curves_by_brute_force(seed):
    generator = np.random.default_rng(seed)
    known, unknown = (generator.integers(0, 30, n) / 10 + shift for n, shift in ((57, 0), (23, 0.7)))
    pairs = unknown[:, None] - known
    assert ranking.auroc(known, unknown) == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    lowest = min(t for t in known if (known <= t).mean() >= 0.95)
    assert ranking.fpr95(known, unknown) == (unknown <= lowest).mean()
    area, before = 0.0, 0.0
    for t in sorted(set(known) | set(unknown), reverse=True):
        recall = (unknown >= t).mean()
        precision = (unknown >= t).sum() / ((unknown >= t).sum() + (known >= t).sum())
        area, before = area + (recall - before) * precision, recall
    assert ranking.aupr(known, unknown) == pytest.approx(area)


def test_an_ignored_object_makes_a_detection_silent():
    result = result_of([(A, 0), (C, 0)], [(A, 0, 0.9), (C, 0, 0.8)])
    result.gt_ignored[1] = True
    known = known_detections([result], [np.array([C], np.float64)], 1)
    assert known.right.tolist() == known.voc_right.tolist() == [True, False]
    assert known.silent.tolist() == known.voc_silent.tolist() == [False, True] and known.objects.tolist() == [1]
    assert wilderness_impact(known) == 0 and wilderness_impact_opendet(known) == 0  # cut before the silent one


def result_of(truth, detections) -> ImageResult:
    boxes = np.array([x[0] for x in truth], np.float64).reshape(-1, 4)
    return ImageResult(
        1, '', 300, 50, boxes, np.array([x[1] for x in truth], np.int64), np.zeros(len(truth), bool),
        (boxes[:, 2:] - boxes[:, :2]).prod(1), np.array([x[0] for x in detections], np.float64).reshape(-1, 4),
        np.array([x[1] for x in detections], np.int64), np.array([x[2] for x in detections], np.float64),
    )  # fmt: skip


def test_opendet_counts_a_right_detection_that_lies_on_an_unknown_object():
    # the egg's box covers 60 % of the unknown object too: right, and still an error to OpenDet2
    metrics = measure(image([(A, 0)], [[2, 0, 12, 10]], [(A, 0, 0.9, 0)]))
    assert metrics['wi'] == 0 and metrics['wi_opendet'] == 1


def iou_of(a, b) -> float:
    size = [max(0.0, min(a[k + 2], b[k + 2]) - max(a[k], b[k])) for k in (0, 1)]
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return size[0] * size[1] / (sum(areas) - size[0] * size[1])


def impact_by_loops(images, unknown, classes, recall) -> float:
    """OpenDet2's rules, one detection after the other."""
    errors, counts = [], []
    for label in range(classes):
        rows = [(x.scores[d], i, d) for i, x in enumerate(images) for d in np.flatnonzero(x.labels == label)]
        rows.sort(key=lambda row: (-row[0], row[1], *images[row[1]].boxes[row[2]]))
        objects = sum(int(((x.gt_labels == label) & ~x.gt_ignored).sum()) for x in images)
        taken, tp, fp, on, recalls = set(), 0, 0, 0, []
        for _, i, d in rows:
            truth = [(iou_of(images[i].boxes[d], images[i].gt_boxes[g]), -g)
                     for g in np.flatnonzero(images[i].gt_labels == label)]  # fmt: skip
            best, g = max(truth, default=(0, 0))
            if best > 0.5 and not images[i].gt_ignored[-g]:
                tp, fp = (tp + 1, fp) if (i, g) not in taken else (tp, fp + 1)
                taken.add((i, g))
            elif best <= 0.5:
                fp += 1
            on += any(iou_of(images[i].boxes[d], box) > 0.5 for box in unknown[i])
            recalls.append((tp / objects if objects else 0, tp + fp, on))
        if recalls and objects:
            cut = min(range(len(recalls)), key=lambda n: abs(recalls[n][0] - recall))
            errors.append(recalls[cut][2])
            counts.append(recalls[cut][1])
    return np.mean(errors) / np.mean(counts)


@pytest.mark.parametrize('seed', range(8))
def test_opendet_s_wi_by_loops(seed):
    rng = np.random.default_rng(seed)
    images, unknown = [], []
    for _ in range(12):
        corners = rng.integers(0, 60, (9, 2))
        truth = np.concatenate([corners, corners + rng.integers(8, 30, (9, 2))], 1).astype(float)
        boxes = truth[rng.integers(0, 9, 25)] + rng.normal(0, 2, (25, 4))
        detections = [(box, int(rng.integers(2)), rng.random()) for box in boxes]
        images.append(result_of([(box, int(rng.integers(2))) for box in truth[:6]], detections))
        images[-1].gt_ignored[:] = rng.random(6) < 0.2
        unknown.append(truth[6:])
    known = known_detections(images, unknown, 2)
    assert wilderness_impact_opendet(known) == pytest.approx(impact_by_loops(images, unknown, 2, 0.8))
    assert wilderness_impact_opendet(known) > 0 and wilderness_impact(known) > 0
