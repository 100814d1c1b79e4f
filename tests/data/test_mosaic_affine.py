"""Boxes follow the pixels through mosaic, scale, shift, flips and turns; nothing is changed in place."""

import random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detplug.data import MosaicAffine
from detplug.data.mosaic_affine import Orientation, Placement, draw, move_boxes, place

ALL_TURNS = [Orientation(*bits) for bits in np.ndindex(2, 2, 2)]


def source(label: int, width=64, height=48) -> dict:
    """A black image with one white rectangle, its box, and a dark frame that tells image from padding."""
    rng = np.random.default_rng(label)
    x, y = rng.integers(4, 30, 2)
    w, h = rng.integers(10, 16, 2)
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + h, x : x + w] = 255
    image.flags.writeable = False
    return dict(
        img=image,
        gt_bboxes=np.array([[x, y, x + w, y + h]], np.float32),
        img_id=label,
        gt_bboxes_labels=np.array([label]),
        gt_ignore_flags=np.array([False]),
    )


def white_boxes(image) -> np.ndarray:
    """(N, 4) boxes of the white regions, found from the pixels alone."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((image[..., 0] > 127).astype(np.uint8))
    x, y, w, h = stats[1:, :4].T
    return np.stack([x, y, x + w, y + h], axis=1)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.booleans())
def test_boxes_lie_where_the_pixels_are(seed, mosaic):
    random.seed(seed)
    results = source(1) | (dict(mix_results=[source(i) for i in (2, 3, 4)]) if mosaic else {})
    out = MosaicAffine((64, 64), flips=(0.5, 0.5, 0.5), pad_val=0, min_visible=0, min_side=1)(results)
    assert out['img'].shape == (64, 64, 3) and len(out['gt_bboxes']) == len(out['gt_bboxes_labels'])
    found = white_boxes(out['img'])
    for box in out['gt_bboxes']:  # each annotated box has its white region, and reversed (slivers of 2 px may vanish)
        if (box[2:] - box[:2]).min() > 3:
            assert np.abs(found - box).max(axis=1).min() <= 1.5
    for region in found:
        if (region[2:] - region[:2]).min() > 3:
            assert np.abs(out['gt_bboxes'] - region).max(axis=1).min() <= 1.5


@pytest.mark.parametrize('turn', ALL_TURNS)
def test_turns_and_flips_against_numpy(turn):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (24, 40, 3), dtype=np.uint8)
    want = image.transpose(1, 0, 2) if turn.swap else image
    want = want[:, ::-1] if turn.mirror_x else want
    want = want[::-1] if turn.mirror_y else want
    height, width = want.shape[:2]
    canvas = np.zeros_like(want)
    axes = [Placement(0, width, 0, width), Placement(0, height, 0, height)]
    draw(image, turn, axes, canvas)
    np.testing.assert_array_equal(canvas, want)
    marked = np.zeros((24, 40), bool)
    marked[5:11, 3:20] = True
    marked = marked.T if turn.swap else marked
    marked = marked[:, ::-1] if turn.mirror_x else marked
    marked = marked[::-1] if turn.mirror_y else marked
    rows, columns = np.where(marked)
    box = move_boxes(np.array([[3, 5, 20, 11]], np.float32), turn, (width, height), axes)[0]
    np.testing.assert_allclose(box, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@given(st.integers(1, 200), st.floats(-300, 300), st.floats(0.3, 2), st.integers(1, 100))
def test_what_is_placed_is_all_that_shows(length, origin, zoom, limit):
    axis = place(length, origin, zoom, limit)
    low, high = max(origin, 0), min(origin + zoom * length, limit)
    if axis is None:
        assert high - low <= 2 + zoom
    else:
        assert 0 <= axis.start < axis.stop <= length
        assert max(axis.left, 0) <= low + 1 and min(axis.right, limit) >= high - 1
        assert -zoom - 1 <= axis.left and axis.right <= limit + zoom + 1


def test_sources_meet_without_a_gap():
    def white(i):
        return source(i) | dict(img=np.full((48, 64, 3), 255, np.uint8))

    for seed in range(40):
        random.seed(seed)
        mixed = white(1) | dict(mix_results=[white(i) for i in (2, 3, 4)])
        image = MosaicAffine((64, 64), zoom=(1.3, 1.5), flips=(0.5, 0.5, 0.5), pad_val=0)(mixed)['img'][..., 0]
        for line in (image[32], image[:, 32]):
            inside = np.flatnonzero(line)
            assert len(inside) == 0 or inside[-1] - inside[0] + 1 == len(inside)


def test_inputs_are_not_changed():
    random.seed(3)
    sources = [source(i) for i in range(4)]
    before = [{key: np.copy(value) for key, value in s.items()} for s in sources]
    MosaicAffine((64, 64))(dict(sources[0], mix_results=sources[1:]))
    for new, old in zip(sources, before, strict=True):
        for key in old:
            np.testing.assert_array_equal(new[key], old[key])


def test_labels_flags_and_image_ids_follow_their_boxes():
    random.seed(0)
    sources = [source(i) for i in range(4)]
    sources[2]['gt_ignore_flags'] = np.array([True])
    out = MosaicAffine((256, 256), zoom=(0.5, 0.5), shift=0)(dict(sources[0], mix_results=sources[1:]))
    assert out['gt_bboxes_labels'].tolist() == [0, 1, 2, 3] and out['gt_ignore_flags'].tolist() == [0, 0, 1, 0]
    assert out['mosaic_img_ids'] == [0, 1, 2, 3]


def test_no_boxes_and_small_remains():
    random.seed(1)
    empty = source(1) | dict(
        gt_bboxes=np.zeros((0, 4), np.float32), gt_bboxes_labels=np.zeros(0, int), gt_ignore_flags=np.zeros(0, bool)
    )
    assert MosaicAffine((64, 64))(dict(empty))['gt_bboxes'].shape == (0, 4)
    assert len(MosaicAffine((64, 64), min_side=100)(source(1))['gt_bboxes']) == 0


@pytest.mark.parametrize('prob, counts', [(0, {0}), (1, {3}), (0.5, {0, 3})])
def test_the_share_of_mosaics(prob, counts):
    random.seed(0)
    partners = [MosaicAffine((64, 64), prob=prob).get_indexes([None] * 7) for _ in range(50)]
    assert {len(found) for found in partners} == counts and all(0 <= i < 7 for found in partners for i in found)


def test_equal_seeds_give_equal_samples():
    def sample(seed):
        random.seed(seed)
        return MosaicAffine((64, 64))(source(0) | dict(mix_results=[source(i) for i in (1, 2, 3)]))['img']

    np.testing.assert_array_equal(sample(5), sample(5))
    assert (sample(5) != sample(6)).any()
