"""The assigner equals a plain loop over boxes, anchors and neighbours."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.yolov5.assigner import assign, covered_cells

ANCHORS = torch.tensor([[1.25, 1.625], [2.0, 3.75], [4.125, 2.875]])
ROWS, COLUMNS = 6, 9
# eighths, so that borders (.5, whole numbers, a ratio of exactly 4) come up
EIGHTH = st.integers(0, 9 * 8).map(lambda x: x / 8)
BOXES = st.lists(st.tuples(EIGHTH, EIGHTH.map(lambda y: min(y, 6.0)), EIGHTH, EIGHTH), max_size=12)


def plain_assign(boxes, anchors, rows, columns):
    found = set()
    for b, (x, y, w, h) in enumerate(boxes):
        for a, (aw, ah) in enumerate(anchors.tolist()):
            if not w or not h or max(w / aw, aw / w, h / ah, ah / h) >= 4:
                continue
            column, row = min(math.floor(x), columns - 1), min(math.floor(y), rows - 1)
            cells = [(row, column)]
            cells += [(row, column - 1)] if x - column < 0.5 else [(row, column + 1)] if x - column > 0.5 else []
            cells += [(row - 1, column)] if y - row < 0.5 else [(row + 1, column)] if y - row > 0.5 else []
            found |= {(b, a, r, c) for r, c in cells if 0 <= r < rows and 0 <= c < columns}
    return found


@settings(max_examples=200)
@given(boxes=BOXES)
def test_equals_a_plain_loop(boxes):
    found = assign(torch.tensor(boxes).reshape(-1, 4), ANCHORS, (ROWS, COLUMNS))
    rows = list(zip(*(x.tolist() for x in found), strict=True))
    assert len(rows) == len(set(rows))
    assert set(rows) == plain_assign(boxes, ANCHORS, ROWS, COLUMNS)


def test_a_box_of_an_anchors_shape_at_a_cells_centre_has_one_cell():
    found = assign(torch.tensor([[3.5, 2.5, 2.0, 3.75]]), ANCHORS[1:2], (ROWS, COLUMNS))
    assert [x.tolist() for x in found] == [[0], [0], [2], [3]]


@given(boxes=st.lists(st.tuples(st.integers(0, 1), *[st.integers(0, 64)] * 4), max_size=6))
def test_covered_cells_equal_a_plain_loop(boxes):
    table = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5)
    found = covered_cells(table[:, 1:], table[:, 0].long(), (2, 4, 8), 8)
    for n in range(2):
        for row in range(4):
            for column in range(8):
                x, y = column * 8 + 4, row * 8 + 4
                inside = any(i == n and x1 <= x <= x2 and y1 <= y <= y2 for i, x1, y1, x2, y2 in boxes)
                assert found[n, row, column].item() == inside
