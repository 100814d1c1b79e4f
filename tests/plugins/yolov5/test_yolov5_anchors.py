import json

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_yolov5 import tiny_detector

from plugins.yolov5.anchors import cluster_sizes
from plugins.yolov5.assigner import assign

HEAD = tiny_detector().bbox_head
SIZES = st.lists(st.tuples(st.floats(0.5, 600), st.floats(0.5, 600)), min_size=1, max_size=40)


@given(SIZES)
def test_unmatched_boxes_are_those_that_the_assigner_gives_no_cell(sizes):
    head = HEAD
    sizes = torch.tensor(sizes)
    unmatched = head.unmatched(sizes)
    centred = torch.cat([torch.full_like(sizes, 320.0), sizes], 1)
    taught = torch.zeros(len(sizes), dtype=torch.bool)
    for anchors, stride in zip(head.anchors, head.strides, strict=True):
        taught[assign(centred / stride, anchors / stride, (640 // stride, 640 // stride)).box] = True
    assert (unmatched == ~taught).all()


def test_boxes_of_the_reported_case_have_no_anchor():
    assert tiny_detector().bbox_head.unmatched(torch.tensor([[2.6, 2.6], [16.0, 16.0]])).tolist() == [True, False]


@given(SIZES, st.integers(1, 9))
def test_clusters_are_sizes_by_ascending_area(sizes, count):
    sizes = np.array(sizes)
    anchors = cluster_sizes(sizes, count)
    assert anchors.shape == (count, 2)
    assert (np.diff(anchors.prod(1)) >= -1e-9).all()
    assert (anchors >= sizes.min(0) - 1e-6).all() and (anchors <= sizes.max(0) + 1e-6).all()


def test_suggested_anchors_fit_the_boxes_that_had_none():
    head = tiny_detector().bbox_head
    sizes = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 3 + 1.2
    assert head.unmatched(sizes).any()
    option, _, value = head.suggested_anchors(sizes).partition('=')
    assert option == 'model.bbox_head.anchors'
    head.anchors.copy_(torch.tensor(json.loads(value)))
    assert not head.unmatched(sizes).any()
