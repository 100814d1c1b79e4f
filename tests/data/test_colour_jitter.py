"""The colour matrix against its definition: grey stays grey, brightness scales, hue turns."""

import colorsys
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.data import ColourJitter
from detplug.data.colour_jitter import colour_matrix


@given(st.floats(-math.pi, math.pi), st.floats(0, 2), st.floats(0.2, 2))
def test_grey_changes_in_brightness_only(angle, saturation, value):
    np.testing.assert_allclose(colour_matrix(angle, saturation, value) @ [1, 1, 1], [value] * 3, atol=2e-3)


def test_no_change_is_the_identity_and_no_saturation_is_the_luma():
    np.testing.assert_allclose(colour_matrix(0, 1, 1), np.eye(3), atol=2e-3)
    np.testing.assert_allclose(colour_matrix(0, 0, 1), np.tile([0.114, 0.587, 0.299], (3, 1)), atol=2e-3)


@pytest.mark.parametrize('turns', [-0.015, 0.015])
def test_a_small_turn_moves_the_hue_of_hsv_the_same_way_for_every_colour(turns):
    moved = []
    for hue in np.linspace(0, 1, 12, endpoint=False):
        bgr = np.array(colorsys.hsv_to_rgb(hue, 0.5, 0.5)[::-1])
        after = colour_matrix(2 * math.pi * turns, 1, 1) @ bgr
        moved.append((colorsys.rgb_to_hsv(*after[::-1])[0] - hue + 0.5) % 1 - 0.5)
    assert all(0.2 * abs(turns) < abs(x) < 3 * abs(turns) for x in moved) and len({x > 0 for x in moved}) == 1


def test_the_input_is_not_changed_and_the_range_holds():
    random.seed(0)
    image = np.full((4, 4, 3), (30, 120, 200), np.uint8)
    image.flags.writeable = False
    seen = [
        ColourJitter(hue=0, saturation=0, value=0.4)(dict(img=image))['img'].mean() / image.mean() for _ in range(200)
    ]
    assert 0.59 < min(seen) < 0.65 and 1.25 < max(seen) < 1.41
