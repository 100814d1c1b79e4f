"""Candidates equal a brute force over all anchors; suppression on a beginning equals suppression on everything."""

import pytest
import torch
from mmcv.ops import batched_nms
from tiny_yolov5 import random_boxes, tiny_detector

from plugins.yolov5.selection import candidates, suppress

NMS = dict(type='nms', iou_threshold=0.6)


@pytest.mark.parametrize('multi_label', [True, False])
@pytest.mark.parametrize('threshold', [0.0, 0.001, 0.1, 0.999])
def test_candidates_are_the_dense_predictions_above_the_threshold(multi_label, threshold):
    head = tiny_detector().bbox_head
    generator = torch.Generator().manual_seed(0)
    feats = [
        torch.randn(2, c, 64 // s, 64 // s, generator=generator)
        for c, s in zip([32, 64, 128], head.strides, strict=True)
    ]
    with torch.no_grad():
        head.convs[0].bias += 3  # some scores near one
        boxes, scores = head.dense_predictions(feats)
        image, found, score, label, prior_index = candidates(
            head.raw_predictions(feats), head.anchors, head.strides, threshold, multi_label
        )
    torch.testing.assert_close(boxes[image, prior_index], found, rtol=1e-5, atol=1e-4)
    above = scores > threshold
    if not multi_label:
        above &= torch.nn.functional.one_hot(scores.argmax(2), scores.shape[2]).bool()
    n, place, k = above.nonzero(as_tuple=True)
    wanted = torch.cat([n[:, None], boxes[n, place], scores[n, place, k, None], k[:, None]], 1)
    got = torch.cat([image[:, None], found, score[:, None], label[:, None]], 1)
    by_score = wanted[:, 5].argsort(stable=True), got[:, 5].argsort(stable=True)
    # pixels: float32 has steps of 3e-5 near 300, and a coordinate near 0 is a difference of such numbers
    torch.testing.assert_close(got[by_score[1]], wanted[by_score[0]], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize('count', [0, 1, 30, 600])
@pytest.mark.parametrize('limit', [1, 20, 1000])
def test_suppression_of_the_best_equals_suppression_of_all(count, limit):
    generator = torch.Generator().manual_seed(count)
    boxes = random_boxes(count, generator, side=100)
    scores, labels = torch.rand(count, generator=generator), torch.randint(0, 3, (count,), generator=generator)
    dets, kept = suppress(boxes, scores, labels, NMS, limit)
    if count:
        wanted, indices = batched_nms(boxes, scores, labels, NMS)
        torch.testing.assert_close(kept, indices[:limit])
        torch.testing.assert_close(dets, wanted[:limit])
    assert len(dets) == len(kept) <= min(limit, count)


@pytest.mark.parametrize('count', [0, 1, 30, 600])
@pytest.mark.parametrize('limit', [1, 20, 1000])
@pytest.mark.parametrize('per_class', [1, 3, 1000])
def test_a_limit_of_each_class_keeps_its_best(count, limit, per_class):
    generator = torch.Generator().manual_seed(count)
    boxes = random_boxes(count, generator, side=100)
    scores, labels = torch.rand(count, generator=generator), torch.randint(0, 3, (count,), generator=generator)
    dets, kept = suppress(boxes, scores, labels, NMS, limit, per_class)
    wanted = []
    for index in batched_nms(boxes, scores, labels, NMS)[1].tolist() if count else []:
        wanted += [index] * ([int(labels[x]) for x in wanted].count(int(labels[index])) < per_class)
    assert kept.tolist() == wanted[:limit]
    torch.testing.assert_close(dets, torch.cat([boxes[kept], scores[kept, None]], 1))


def test_classes_do_not_suppress_each_other_left_of_the_image():
    boxes = torch.tensor([[-110.0, 0.0, -10.0, 10.0], [-9.0, 0.0, 1.0, 10.0], [-120.0, 0.0, -20.0, 10.0]])
    labels = torch.tensor([0, 1, 1])
    _, kept = suppress(boxes, torch.tensor([0.9, 0.8, 0.7]), labels, NMS, 10)
    assert kept.tolist() == [0, 1, 2]
