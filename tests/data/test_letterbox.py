"""Letterbox keeps the ratio, and boxes map back to the original pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.data import Letterbox
from detplug.errors import UserError
from detplug.images.letterbox import fit_size, letterbox

SIDES = st.integers(1, 300)


def run(height, width, **kwargs):
    image = np.full((height, width, 3), 200, np.uint8)
    return Letterbox(**({'scale': (64, 64)} | kwargs))(dict(img=image))


@given(SIDES, SIDES, st.booleans())
def test_the_image_lies_at_the_top_left_in_grey(height, width, fixed):
    out = run(height, width, fixed=fixed)
    h, w = out['img_shape']
    assert max(h, w) == 64 and abs(h / 64 - min(1, height / width)) <= 0.5 / 64 or h == 1 or w == 1
    assert (out['img'][:h, :w] == 200).all() and (out['img'][h:] == 114).all() and (out['img'][:, w:] == 114).all()
    assert out['img'].shape[:2] == out['pad_shape'] and all(side % 32 == 0 for side in out['pad_shape'])
    assert not fixed or out['img'].shape == (64, 64, 3)
    np.testing.assert_allclose(np.array([width, height]) * out['scale_factor'], [w, h])


def test_padding_is_no_more_than_the_stride_needs():
    assert run(20, 64)['img'].shape == (32, 64, 3)
    assert run(20, 64, scale=(96, 64))['img'].shape == (32, 96, 3)
    assert run(33, 64)['img'].shape == (64, 64, 3)


@given(SIDES, SIDES)
def test_centred_padding_is_equal_on_opposite_sides(height, width):
    out = run(height, width, fixed=True, centre=True)
    (h, w), (left, top) = out['img_shape'], out['pad_offset']
    assert (out['img'][top : top + h, left : left + w] == 200).all()
    assert (out['img'] == 200).all(2).sum() == h * w
    assert 0 <= 64 - w - 2 * left <= 1 and 0 <= 64 - h - 2 * top <= 1


@given(st.integers(4, 300), st.integers(4, 300), st.booleans())
def test_the_exported_detector_places_images_alike(height, width, centre):
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    canvas, placement = letterbox(image, (64, 64), centre=centre)
    out = Letterbox(scale=(64, 64), fixed=True, centre=centre)(dict(img=image))
    np.testing.assert_array_equal(out['img'], canvas)
    np.testing.assert_allclose(out['scale_factor'], placement.scale)
    assert out['pad_offset'] == placement.offset


def test_sizes_are_rounded_to_the_nearest_pixel():
    assert fit_size((480, 640), (320, 320)) == (320, 240)
    assert fit_size((333, 500), (640, 640)) == (640, 426)
    assert fit_size((1, 1000), (64, 64)) == (64, 1)


@given(SIDES, SIDES, st.booleans())
def test_the_image_in_its_letterbox_maps_back_to_the_whole_image(height, width, centre):
    canvas, placement = letterbox(np.full((height, width, 3), 255, np.uint8), (64, 64), centre=centre)
    y, x = np.nonzero(canvas[..., 0] == 255)  # the padding is grey
    content = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
    np.testing.assert_allclose(placement.to_original(content), [[0, 0, width, height]], rtol=1e-6)


def test_boxes_are_clipped_to_the_image():
    _, placement = letterbox(np.zeros((30, 60, 3), np.uint8), (64, 64))
    clipped = placement.to_original(np.array([[-9, -9, 500, 500]], np.float32))
    np.testing.assert_array_equal(clipped, [[0, 0, 60, 30]])


def test_another_size_than_annotated_is_refused():
    with pytest.raises(UserError, match='image is 9x8'):
        Letterbox((64, 64))(dict(img=np.zeros((8, 9, 3), np.uint8), height=9, width=8, img_path='a.png'))
