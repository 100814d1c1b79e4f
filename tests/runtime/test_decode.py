"""Decoding in numpy equals the detection head's in torch."""

import numpy as np
import pytest
import torch

from detplug.runtime.decode import anchor_grid, sigmoid
from plugins.yolov5.head import YOLOv5Head


@pytest.mark.parametrize('images', [1, 3])
def test_anchor_grid_equals_the_yolov5_head(images):
    head = YOLOv5Head(num_classes=4, in_channels=(6, 8, 10), test_cfg={})
    generator = torch.Generator().manual_seed(0)
    feats = [
        torch.randn(images, c, h, w, generator=generator) * 5 for c, h, w in ((6, 12, 8), (8, 6, 4), (10, 3, 2))
    ]  # a letterbox that is not square
    rule = dict(type='anchor_grid', anchors=head.anchors.tolist(), strides=list(head.strides))
    with torch.no_grad():
        boxes, scores = anchor_grid([x.numpy() for x in head.raw_predictions(feats)], rule)
        expected = head.dense_predictions(feats)
    np.testing.assert_allclose(boxes, expected[0].numpy(), atol=1e-3)
    np.testing.assert_allclose(scores, expected[1].numpy(), atol=1e-6)


def test_the_logistic_function_neither_overflows_nor_warns(recwarn):
    np.testing.assert_array_equal(sigmoid(np.array([-1e4, 0, 1e4], np.float32)), [0, 0.5, 1])
    assert not recwarn.list
