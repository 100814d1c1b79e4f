"""Class colours are stable, different, and labels on them can be read."""

import pytest

from detplug.drawing.colours import class_colour, luminance, text_colour


@pytest.mark.parametrize('label', range(100))
def test_text_has_the_contrast_that_wcag_asks_for(label):
    background = class_colour(label)
    pair = sorted([luminance(background), luminance(text_colour(background))])
    assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5


def test_eighty_classes_have_eighty_colours_and_ignored_objects_grey():
    assert len({class_colour(k) for k in range(80)}) == 80
    assert class_colour(-1) == (128, 128, 128)
    assert all(0 <= value <= 255 for k in range(300) for value in class_colour(k))
