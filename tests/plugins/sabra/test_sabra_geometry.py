"""Pair vectors and pair masks against the arithmetic of single boxes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from plugins.sabra.mask_decoder import SIDE, SpatialMaskDecoder, mask_loss, pair_masks
from plugins.sabra.pair_vectors import (
    LARGEST,
    NODE_WIDTH,
    PAIR_WIDTH,
    node_vectors,
    pair_vectors,
    scaled,
    score_vectors,
)


def by_hand(a, b, width, height):
    """The 18 numbers of two boxes, one after the other."""
    wa, ha, wb, hb = a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]
    xa, ya, xb, yb = (a[0] + a[2]) / 2, (a[1] + a[3]) / 2, (b[0] + b[2]) / 2, (b[1] + b[3]) / 2
    common = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    image = width * height
    return [
        xa / width, ya / height, xb / width, yb / height,
        wa / width, ha / height, wb / width, hb / height,
        wa * ha / image, wb * hb / image, wb * hb / (wa * ha),
        wa / ha, wb / hb,
        common / (wa * ha + wb * hb - common),
        max(xb - xa, 0) / wa, max(xa - xb, 0) / wa, max(yb - ya, 0) / ha, max(ya - yb, 0) / ha,
    ]  # fmt: skip


def test_the_vector_of_two_boxes_is_its_arithmetic():
    a, b = [10.0, 20.0, 50.0, 100.0], [30.0, 10.0, 90.0, 60.0]
    wanted = by_hand(a, b, 200, 120)
    got = pair_vectors(torch.tensor(a), torch.tensor(b), torch.tensor([200.0, 120.0]))
    torch.testing.assert_close(got, torch.tensor([*wanted, *(math.log(x + 1e-10) for x in wanted)]))
    torch.testing.assert_close(
        node_vectors(torch.tensor(a), torch.tensor([200.0, 120.0])),
        torch.tensor([30 / 200, 60 / 120, 40 / 200, 80 / 120, 40 * 80 / 24000, math.log(0.5)]),
    )


numbers = st.floats(-50, 700, width=32)


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=2, max_size=2))
def test_any_boxes_give_finite_numbers(boxes):
    first, second = torch.tensor(boxes)
    size = torch.tensor([640.0, 480.0])
    vector = pair_vectors(first, second, size)
    assert vector.shape == (PAIR_WIDTH,)
    assert vector.isfinite().all()
    assert vector.max() <= LARGEST
    assert scaled(vector).abs().max() <= 2
    assert node_vectors(first, size).isfinite().all()
    assert node_vectors(first, size).shape == (NODE_WIDTH,)


def test_pairs_broadcast():
    boxes = torch.rand(2, 5, 4) * 50
    boxes[..., 2:] += boxes[..., :2] + 1
    sizes = torch.tensor([[100.0, 100.0], [60.0, 80.0]])
    every = pair_vectors(boxes[:, :, None], boxes[:, None], sizes[:, None, None])
    torch.testing.assert_close(every[1, 2, 4], pair_vectors(boxes[1, 2], boxes[1, 4], sizes[1]))


def test_masks_keep_the_aspect_and_lie_in_the_middle():
    subject, other = torch.tensor([[0.0, 0.0, 64.0, 16.0]]), torch.tensor([[32.0, 16.0, 64.0, 32.0]])
    masks = pair_masks(subject, other)
    assert masks.shape == (1, 2, SIDE, SIDE)
    wanted = torch.zeros(2, SIDE, SIDE)
    wanted[0, 16:32, 0:64] = 1  # the union is 64 x 32 in a frame of 64: 16 empty rows above and below
    wanted[1, 32:48, 32:64] = 1
    torch.testing.assert_close(masks[0], wanted)


@given(st.lists(st.integers(0, 40), min_size=8, max_size=8))
def test_the_area_of_a_mask_is_that_of_its_box(values):
    boxes = torch.tensor(values, dtype=torch.float32).view(2, 4)
    boxes = torch.cat([torch.minimum(boxes[:, :2], boxes[:, 2:]), torch.maximum(boxes[:, :2], boxes[:, 2:])], 1)
    masks = pair_masks(boxes[:1], boxes[1:])[0]
    corner, end = boxes[:, :2].amin(0), boxes[:, 2:].amax(0)
    length = (end - corner).max().clamp(min=1e-3)
    share = (boxes[:, 2:] - boxes[:, :2]).prod(1) / length**2
    torch.testing.assert_close(masks.mean((1, 2)), share, atol=1e-4, rtol=1e-4)
    assert masks.min() >= 0 and masks.max() <= 1


def test_the_decoder_learns_to_draw_its_boxes():
    torch.manual_seed(0)
    decoder = SpatialMaskDecoder(8, dims=32, channels=32)
    corner = torch.rand(16, 2, 2) * 30
    boxes = torch.cat([corner, corner + 10 + torch.rand(16, 2, 2) * 30], 2)
    inputs, targets = boxes.flatten(1) / 70, pair_masks(boxes[:, 0], boxes[:, 1])
    optimizer = torch.optim.Adam(decoder.parameters(), 1e-2)
    losses = []
    for _ in range(200):
        loss = mask_loss(decoder.masks(decoder(inputs)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_perfect_masks_cost_nothing_and_no_pair_costs_zero():
    targets = pair_masks(torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([[8.0, 8.0, 16.0, 16.0]]))
    assert float(mask_loss((targets - 0.5) * 200, targets)) == pytest.approx(0, abs=1e-4)
    none = torch.zeros(0, 2, SIDE, SIDE, requires_grad=True)
    assert float(mask_loss(none, none.detach())) == 0


def test_a_thin_box_does_not_dominate_the_input_of_the_graph():
    thin = torch.tensor([[10.0, 50, 310, 53], [10, 10, 13, 310]])
    vectors = node_vectors(thin, torch.tensor([640.0, 480.0]))
    assert vectors.abs().max() < 5
    torch.testing.assert_close(vectors[0, 5], -vectors[1, 5])


def test_score_numbers_rise_with_the_score_and_are_bounded():
    numbers = score_vectors(torch.tensor([0.0, 1e-4, 0.01, 0.5, 1.0]))[:, 0]
    torch.testing.assert_close(numbers[[0, 1, 2, 4]], torch.tensor([0.0, 0.0, 1.0, 2.0]))
    assert (numbers.diff()[1:] > 0).all()
