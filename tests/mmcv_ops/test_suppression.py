"""NMS against greedy loops written from its definition, over ties, NaN and degenerate boxes."""

import math

import pytest
import torch

operators = pytest.importorskip('detplug_mmcv_ops', reason='the operators in plain torch are not installed')
from detplug_mmcv_ops.nms import nms  # noqa: E402
from detplug_mmcv_ops.nms_match import nms_match  # noqa: E402
from detplug_mmcv_ops.soft_nms import softnms  # noqa: E402


def random_boxes(count, seed, spread=60.0, grid=None):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * spread
    boxes = torch.cat((low, low + torch.rand(count, 2, generator=generator) * 30), 1)
    scores = torch.rand(count, generator=generator)
    if grid:  # ties in scores and in overlaps
        boxes, scores = (boxes / grid).round() * grid, (scores * 5).round() / 5
    return boxes, scores


def iou(a, b, offset):
    """By float32 arithmetic in the order of mmcv's C++; NaN or a union of 0 give NaN."""
    one = torch.tensor(offset, dtype=a.dtype)
    width = (torch.minimum(a[2], b[2]) - torch.maximum(a[0], b[0]) + one).clamp(min=0)
    height = (torch.minimum(a[3], b[3]) - torch.maximum(a[1], b[1]) + one).clamp(min=0)
    area_a, area_b = ((x[2] - x[0] + one) * (x[3] - x[1] + one) for x in (a, b))
    return float(width * height / (area_a + area_b - width * height))


def greedy_oracle(boxes, scores, threshold, offset):
    rank = [math.inf if math.isnan(x) else x for x in scores.tolist()]
    order, kept = sorted(range(len(boxes)), key=lambda i: -rank[i]), []  # stable
    threshold = float(torch.tensor(threshold, dtype=boxes.dtype))
    for j in order:
        if not any(iou(boxes[i], boxes[j], offset) > threshold for i in kept):
            kept.append(j)
    return kept


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('grid', [None, 10])
@pytest.mark.parametrize('seed', range(3))
def test_equals_the_stable_greedy_loop(seed, grid, offset):
    boxes, scores = random_boxes(60, seed, grid=grid)
    for threshold in (0.0, 0.3, 0.5, 1.0):
        assert nms(boxes, scores, threshold, offset).tolist() == greedy_oracle(boxes, scores, threshold, offset)


def test_many_blocks_equal_one_matrix():
    boxes, scores = random_boxes(1500, 3, spread=400)
    expected, alive = [], torch.ones(1500, dtype=torch.bool)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    for index in scores.argsort(descending=True, stable=True):
        if alive[index]:
            expected.append(int(index))
            sides = torch.minimum(boxes[index, 2:], boxes[:, 2:]) - torch.maximum(boxes[index, :2], boxes[:, :2])
            inner = sides.clamp(min=0).prod(1)
            alive &= ~(inner / (area[index] + area - inner) > 0.4)
    assert nms(boxes, scores, 0.4, 0).tolist() == expected
    assert 200 < len(expected) < 1400


def test_blocks_of_other_devices_give_the_same(monkeypatch):
    boxes, scores = random_boxes(700, 4, spread=200)
    expected = nms(boxes, scores, 0.3, 1)
    monkeypatch.setattr('detplug_mmcv_ops.nms.BLOCK', 50)
    monkeypatch.setattr('detplug_mmcv_ops.nms.AREA', 2600)
    assert torch.equal(nms(boxes, scores, 0.3, 1), expected)


@pytest.mark.parametrize('offset', [0, 1])
def test_boxes_that_are_none(offset):
    boxes, scores = random_boxes(60, 5)
    boxes[3], boxes[9, 2] = torch.nan, torch.nan
    boxes[12, 2:], boxes[13] = boxes[12, :2], boxes[12]  # zero area, twice
    boxes[20, 2:] = boxes[20, :2] - 5  # inverted
    boxes[30, 2], boxes[31, :2] = torch.inf, -torch.inf
    scores[[7, 8]] = torch.nan
    kept = nms(boxes, scores, 0.3, offset).tolist()
    assert kept == greedy_oracle(boxes, scores, 0.3, offset)
    assert {3, 9} <= set(kept) and kept[0] == 7  # a NaN score is the highest; a NaN box stays and removes none


def test_empty():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5, 0).tolist() == []
    assert softnms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, 5), 0.5, 0.5, 0.1, 1, 0).tolist() == []


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_every_dtype_is_that_of_its_values(dtype):
    boxes, scores = random_boxes(80, 6)
    boxes, scores = boxes.to(dtype), torch.randperm(80).to(dtype)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert torch.equal(nms(boxes, scores, 0.4, 0), nms(boxes.to(wide), scores.to(wide), 0.4, 0))


def test_twenty_thousand_boxes_overlap_none_of_the_kept():
    boxes, scores = random_boxes(20_000, 7, spread=300)
    boxes[:, 2:] += 20
    kept = nms(boxes, scores, 0.3, 0)
    best = boxes[kept]
    sides = torch.minimum(best[:, None, 2:], best[:, 2:]) - torch.maximum(best[:, None, :2], best[:, :2])
    inner, area = sides.clamp(min=0).prod(2), (best[:, 2:] - best[:, :2]).prod(1)
    overlap = inner / (area[:, None] + area - inner)
    assert 100 < len(kept) < 2000 and overlap.fill_diagonal_(0).max() <= 0.3
    assert (scores[kept].diff() <= 0).all()


def test_mmcv_filters_by_score_and_number():
    from mmcv.ops import batched_nms
    from mmcv.ops import nms as of_mmcv

    boxes, scores = random_boxes(60, 8)
    valid = (scores > 0.4).nonzero()[:, 0]
    expected = [int(valid[i]) for i in greedy_oracle(boxes[valid], scores[valid], 0.5, 0)][:7]
    dets, kept = of_mmcv(boxes, scores, 0.5, score_threshold=0.4, max_num=7)
    assert kept.tolist() == expected and torch.equal(dets[:, 4], scores[kept])
    labels = torch.arange(60) % 3
    per_class = [
        int((labels == c).nonzero()[i, 0])
        for c in range(3)
        for i in greedy_oracle(boxes[labels == c], scores[labels == c], 0.5, 0)
    ]
    _, kept = batched_nms(boxes, scores, labels, {'type': 'nms', 'iou_threshold': 0.5})
    assert sorted(kept.tolist()) == sorted(per_class)


def test_match_groups_hold_the_boxes_that_each_kept_one_suppresses():
    boxes, scores = random_boxes(70, 9)
    expected, left = [], scores.argsort(descending=True, stable=True).tolist()
    while left:
        first = left[0]
        group = [first] + [j for j in left[1:] if iou(boxes[first], boxes[j], 0) >= 0.25]
        expected.append(group)
        left = [j for j in left if j not in group]
    assert nms_match(torch.cat((boxes, scores[:, None]), 1), 0.25) == expected
    same = torch.tensor([[0.0, 0, 2, 2, 0.9], [0, 0, 2, 1, 0.8]])  # an IoU of exactly .5
    assert nms_match(same, 0.5) == [[0, 1]] and nms(same[:, :4], same[:, 4], 0.5, 0).tolist() == [0, 1]


@pytest.mark.parametrize('method', [0, 1, 2])
def test_soft_nms_equals_its_definition(method):
    boxes, scores = random_boxes(50, 10)
    values, left, expected = scores.tolist(), list(range(50)), []
    while left:
        best = max(left, key=lambda i: values[i])
        left.remove(best)
        expected.append((best, values[best]))
        for j in left:
            overlap = iou(boxes[best], boxes[j], 0)
            hit = overlap >= 0.3
            values[j] *= (1 - hit, 1 - overlap if hit else 1, math.exp(-(overlap**2) / 0.5))[method]
        left = [j for j in left if values[j] >= 0.05]
    dets = torch.zeros(50, 5)
    kept = softnms(boxes, scores, dets, 0.3, 0.5, 0.05, method, 0)
    assert kept.tolist() == [i for i, _ in expected] and len(kept) < 50
    torch.testing.assert_close(dets[: len(kept), 4], torch.tensor([x for _, x in expected]))
    assert torch.equal(dets[: len(kept), :4], boxes[kept])
