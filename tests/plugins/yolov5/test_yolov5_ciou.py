"""Complete IoU: the paper's formula in plain Python, its range, and finite gradients where boxes are degenerate."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plugins.yolov5.ciou import complete_iou

SIDES = st.integers(1, 50)
CORNER = st.integers(-20, 60)
BOX = st.tuples(CORNER, CORNER, SIDES, SIDES).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


def plain_ciou(a, b):
    w = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    h = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    iou = w * h / (sum(areas) - w * h)
    rho = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    shapes = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    v = 4 / math.pi**2 * (shapes[0] - shapes[1]) ** 2
    return iou - rho / diagonal - (v * v / (1 - iou + v) if v else 0)


@given(a=BOX, b=BOX)
def test_equals_the_papers_formula(a, b):
    found = complete_iou(torch.tensor([a], dtype=torch.float64), torch.tensor([b], dtype=torch.float64))
    assert found.item() == pytest.approx(plain_ciou(a, b), abs=1e-5)


def test_equal_boxes_give_one():
    boxes = torch.tensor([[1.0, 2.0, 30.0, 9.0], [0.0, 0.0, 640.0, 640.0]])
    torch.testing.assert_close(complete_iou(boxes, boxes), torch.ones(2))


def test_gradient_stays_finite_for_boxes_without_area_and_for_equal_ones():
    boxes = torch.tensor([[5.0, 5.0, 5.0, 5.0], [5.0, 5.0, 9.0, 5.0], [1.0, 1.0, 4.0, 4.0]], requires_grad=True)
    others = torch.tensor([[5.0, 5.0, 5.0, 5.0], [0.0, 0.0, 3.0, 3.0], [1.0, 1.0, 4.0, 4.0]])
    complete_iou(boxes, others).sum().backward()
    assert boxes.grad.isfinite().all()
