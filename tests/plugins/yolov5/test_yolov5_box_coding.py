"""decode and encode are inverse, and decode is the published formula."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from plugins.yolov5.box_coding import decode, encode


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_decode_is_the_published_formula():
    logits, cell, anchor, stride = (0.3, -1.2, 0.8, -0.4), (5, 2), (16, 30), 8
    x, y = ((2 * sigmoid(v) - 0.5 + c) * stride for v, c in zip(logits[:2], cell, strict=True))
    w, h = ((2 * sigmoid(v)) ** 2 * a for v, a in zip(logits[2:], anchor, strict=True))
    found = decode(torch.tensor(logits), torch.tensor(cell), torch.tensor(anchor), stride)
    torch.testing.assert_close(found, torch.tensor([x - w / 2, y - h / 2, x + w / 2, y + h / 2]))


@given(
    offset=st.tuples(*[st.floats(-0.45, 1.45)] * 2),
    ratio=st.tuples(*[st.floats(0.05, 3.9)] * 2),
    cell=st.tuples(*[st.integers(0, 80)] * 2),
    stride=st.sampled_from([8, 16, 32]),
)
def test_decode_undoes_encode(offset, ratio, cell, stride):
    cells, anchors = torch.tensor([cell], dtype=torch.float64), torch.tensor([[33.0, 23.0]], dtype=torch.float64)
    centre = (cells + torch.tensor([offset], dtype=torch.float64)) * stride
    half = anchors * torch.tensor([ratio], dtype=torch.float64) / 2
    boxes = torch.cat([centre - half, centre + half], 1)
    torch.testing.assert_close(decode(encode(boxes, cells, anchors, stride), cells, anchors, stride), boxes)
