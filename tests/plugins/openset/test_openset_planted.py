"""A planted effect proves each open-set figure: detectors made by hand whose figures are known in closed form."""

import numpy as np
import pytest
from mmengine.structures import InstanceData

from plugins.openset.metrics import OpenSetMetric
from plugins.openset.metrics.ranking import hits_at

KNOWN, SIDE, STEP = 10, 20, 50  # known objects an image, side of an object, distance of their corners; px
BUDGETS = (0.2, 1, 3)


def grid(count: int) -> np.ndarray:
    """(count, 4) boxes that do not touch."""
    corners = STEP * np.stack([np.arange(count) % 10, np.arange(count) // 10], 1).astype(float)
    return np.concatenate([corners, corners + SIDE], 1)


def sample(number: int, boxes, labels, scores, ood=None, unknown: int = 1, known: int = KNOWN, **meta) -> dict:
    """Places 0 .. known - 1 hold known objects of the one class, the ``unknown`` places behind them unknown ones."""
    places = grid(known + unknown).tolist()
    found = InstanceData(
        bboxes=np.asarray(boxes, float).reshape(-1, 4), labels=np.asarray(labels, int), scores=np.asarray(scores, float)
    )
    if ood is not None:
        found.ood_scores = np.asarray(ood, float)
    return dict(
        img_id=number, img_path=f'{number}.png', ori_shape=(600, 600), pred_instances=dict(found.items()),
        instances=[dict(bbox=box, bbox_label=0, ignore_flag=0) for box in places[:known]],
        unknown_instances=[dict(bbox=box, name='worm', ignore_flag=0) for box in places[known:]],
    ) | meta  # fmt: skip


def measure(samples, **kwargs) -> dict:
    metric = OpenSetMetric(**kwargs)
    metric.dataset_meta = dict(classes=('egg',))
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def oracle(number: int, right: bool) -> dict:
    """All known objects right at .8; the unknown one named unknown at .9, or egg at .9; it is strange where right."""
    ood = np.append(np.full(KNOWN, 0.1), 0.95 if right else 0.05)
    scores = np.append(np.full(KNOWN, 0.8), 0.9)
    return sample(number, grid(KNOWN + 1), [*[0] * KNOWN, 1 if right else 0], scores, ood)


def test_an_oracle_that_names_30_percent_of_the_unknown_rightly_scores_so():
    metrics = measure([oracle(i, i % 10 < 3) for i in range(100)])
    for budget in (1, 3):
        assert metrics[f'u_recall_{budget}'] == pytest.approx(0.3) and metrics[f'precision_{budget}'] == 1
    assert metrics['u_recall_0.2'] == pytest.approx(0.2) and metrics['precision_0.2'] == 1  # 20 of its 30 boxes
    assert metrics['unknown_ap'] == metrics['unknown_ap50'] == pytest.approx(31 / 101)  # of 101 recall levels
    assert metrics['queue_recall'] == pytest.approx(0.3)  # 30 at .95, then 70 known objects at .1
    assert metrics['aose'] == metrics['aose_r50'] == 70
    assert metrics['wi'] == metrics['wi_opendet'] == pytest.approx(70 / (70 + 800))  # cut at recall .8
    assert metrics['wi_r50'] == pytest.approx(70 / 1070)  # all 1,000 known boxes have one score
    assert metrics['auroc'] == pytest.approx(0.3) and metrics['fpr95'] == pytest.approx(0.7)
    # recall .3 at precision 1, then 1,000 known boxes, then the rest
    assert metrics['aupr'] == pytest.approx(0.3 + 0.7 * 100 / 1100)


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 1.0])
def test_every_share_is_measured(share):
    metrics = measure([oracle(i, i % 10 < 10 * share) | dict(names_unknown=True) for i in range(60)])
    assert metrics['u_recall_1'] == metrics['queue_recall'] == pytest.approx(share)
    assert metrics['aose'] == round(60 * (1 - share)) and metrics.get('precision_1', 1) == 1
    assert ('precision_1' in metrics) == (share > 0)  # without a box named unknown there is no share


def test_false_unknown_names_cost_precision_at_every_budget():
    # four boxes named unknown an image: on the unknown object at .5, on known objects at .9, .4 and .3
    boxes = grid(KNOWN + 1)[[KNOWN, 0, 1, 2]]
    metrics = measure([sample(i, boxes, [1] * 4, [0.5, 0.9, 0.4, 0.3]) for i in range(20)])
    assert metrics['u_recall_0.2'] == metrics['precision_0.2'] == 0
    assert metrics['u_recall_1'] == 0 and metrics['u_recall_3'] == 1
    assert metrics['precision_3'] == pytest.approx(1 / 3)
    assert metrics['unknown_ap50'] == pytest.approx(0.5)


def test_one_that_names_at_random_scores_the_base_rate():
    rng = np.random.default_rng(0)
    count, images = KNOWN + 1, 2000
    samples = [sample(i, grid(count), [1] * count, rng.random(count), rng.random(count)) for i in range(images)]
    metrics = measure(samples)
    for budget in BUDGETS:
        assert metrics[f'precision_{budget}'] == pytest.approx(1 / count, abs=4 * (0.1 / (budget * images)) ** 0.5)
        assert metrics[f'u_recall_{budget}'] == pytest.approx(budget / count, abs=4 * (0.1 / images) ** 0.5)
    assert metrics['auroc'] == pytest.approx(0.5, abs=0.03) and metrics['aupr'] == pytest.approx(1 / count, abs=0.02)
    assert metrics['queue_recall'] * images / 100 == pytest.approx(1 / count, abs=0.1)


def test_equal_scores_are_the_base_rate_whatever_the_order_of_the_boxes():
    count = KNOWN + 1
    for order in (np.arange(count), np.arange(count)[::-1]):
        samples = [sample(i, grid(count)[order], [1] * count, [0.5] * count, [0.7] * count) for i in range(50)]
        metrics = measure(samples)
        for budget in BUDGETS:
            assert metrics[f'u_recall_{budget}'] == pytest.approx(budget / count)
            assert metrics[f'precision_{budget}'] == pytest.approx(1 / count)
        assert metrics['queue_recall'] == pytest.approx(100 / (50 * count)) and metrics['auroc'] == 0.5
        assert metrics['aupr'] == pytest.approx(1 / count)


def test_two_boxes_on_one_object_find_it_once():
    boxes = grid(KNOWN + 1)[[KNOWN, KNOWN]]
    boxes[1] += 1
    metrics = measure([sample(i, boxes, [1, 1], [0.9, 0.8], [1.0, 1.0]) for i in range(10)])
    assert metrics['u_recall_3'] == 1 and metrics['precision_3'] == 0.5
    assert metrics['queue_recall'] == 1


def test_the_queue_has_one_box_an_object_and_the_better_score_first():
    # 60 images: four equally strange boxes on one known object, and below them in score one on the unknown object
    boxes = grid(KNOWN + 1)[[0, 0, 0, 0, KNOWN]]
    boxes[:4, 0] += np.arange(4)
    metrics = measure([sample(i, boxes, [0] * 5, [0.9, 0.8, 0.7, 0.6, 0.5], [1.0] * 5) for i in range(60)])
    assert metrics['queue_recall'] == pytest.approx(40 / 60)  # 60 known objects, then 40 of the unknown
    high = [sample(i, boxes, [0] * 5, [0.9, 0.8, 0.7, 0.6, 0.04], [1.0] * 5) for i in range(60)]
    assert measure(high)['queue_recall'] == 0  # below score .05 nothing is looked at
    assert measure(high, score_thr=0.01)['queue_recall'] == pytest.approx(40 / 60)


def test_images_without_objects_and_without_boxes_count_for_the_budget():
    full = [oracle(i, True) for i in range(10)]
    empty = [sample(10 + i, [], [], [], [], unknown=0, known=0) for i in range(40)]
    metrics = measure(full + empty)
    assert metrics['u_recall_0.2'] == 1 and metrics['precision_0.2'] == 1  # .2 of 50 images are 10 boxes
    assert measure(full)['u_recall_0.2'] == pytest.approx(0.2)


def test_no_unknown_object_in_the_split_leaves_out_what_has_no_meaning():
    count = KNOWN
    metrics = measure([sample(i, grid(count), [1] * count, [0.5] * count, [0.5] * count, unknown=0) for i in range(5)])
    missing = {'unknown_ap', 'unknown_ap50', 'queue_recall', 'auroc', *(f'u_recall_{b}' for b in BUDGETS)}
    assert not missing & metrics.keys() and metrics['aose'] == 0


def test_a_budget_larger_than_what_there_is_takes_all():
    metrics = measure([oracle(0, True), oracle(1, False)])
    assert metrics['u_recall_3'] == 0.5 and metrics['precision_3'] == 1  # one box, the budget is six


def test_what_cannot_name_the_unknown_has_no_figures_of_it_and_what_can_has_zeros():
    closed = [oracle(i, False) for i in range(3)]
    figures = {'unknown_ap', 'unknown_ap50', *(f'{kind}_{b}' for kind in ('u_recall', 'precision') for b in BUDGETS)}
    assert not figures & measure(closed).keys()
    zeros = measure([x | dict(names_unknown=True) for x in closed])
    assert zeros['unknown_ap'] == zeros['u_recall_3'] == 0 and 'precision_3' not in zeros
    boxes = [oracle(i, True) | dict(names_unknown=False) for i in range(3)]  # an untrained column says nothing
    assert not figures & measure(boxes).keys() and measure(boxes)['queue_recall'] == 1
    assert figures <= measure([oracle(i, True) for i in range(3)]).keys()


def test_boxes_on_ignored_objects_are_neither_right_nor_wrong():
    places = grid(KNOWN + 2)
    doubtful = dict(bbox=places[KNOWN + 1].tolist(), name='worm', ignore_flag=1)
    plain = sample(0, places[[KNOWN + 1, 0, KNOWN]], [1, 1, 1], [0.9, 0.8, 0.7])
    plain['unknown_instances'].append(doubtful)
    plain['instances'][0]['ignore_flag'] = 1
    metrics = measure([plain])
    assert metrics['u_recall_1'] == metrics['precision_1'] == metrics['unknown_ap'] == 1


def test_hits_are_the_mean_over_the_orders_of_equals():
    rng = np.random.default_rng(1)
    hits, first, second = rng.random(9) < 0.5, rng.integers(0, 2, 9) / 1.0, rng.integers(0, 2, 9) / 1.0
    counts = np.zeros(10)
    for _ in range(4000):
        order = np.lexsort([rng.random(9), -second, -first])
        counts += [0, *hits[order].cumsum()]
    for count in range(10):
        assert hits_at(hits, (first, second), count) == pytest.approx(counts[count] / 4000, abs=0.06)
    assert hits_at(np.zeros(0, bool), (np.zeros(0),), 5) == 0
