"""Text is written in any language, in the colour of its plate, and stays inside whatever the picture's size."""

import numpy as np
import pytest

from detplug.drawing.colours import class_colour
from detplug.drawing.text import line_height, text_coverage, write_plate


@pytest.mark.parametrize('text', ['Würmer', 'яйцо', 'ωόν', 'egg 0.50'])
def test_letters_of_many_languages_differ_from_the_sign_of_a_missing_one(text):
    missing = text_coverage('\uffff', 12)[2:-2, 2:-2]
    for letter in text.replace(' ', ''):
        shape = text_coverage(letter, 12)[2:-2, 2:-2]
        assert shape.max() > 0.5
        assert shape.shape != missing.shape or np.abs(shape - missing).max() > 0.5


@pytest.mark.parametrize('size', [(1, 1), (5, 300), (300, 5), (200, 200)])
@pytest.mark.parametrize('stand', [(-50, -50), (500, 500), (20, 40)])
def test_a_plate_lies_inside_the_picture(size, stand):
    picture = np.full((*size, 3), 200, np.uint8)
    write_plate(picture, *stand, 'ascaris 0.91', 12, class_colour(1))
    plate = (picture != 200).any(axis=2)
    rows, columns = np.nonzero(plate)
    width = text_coverage('ascaris 0.91', 12).shape[1]
    assert np.ptp(rows) + 1 == min(line_height(12), size[0]) and np.ptp(columns) + 1 == min(width, size[1])
    assert tuple(picture[rows[0], columns[0], ::-1]) == class_colour(1)


def test_dark_and_bright_plates_have_ink_that_stands_out():
    for colour, ink in (((0, 0, 0), 255), ((255, 255, 255), 0)):
        picture = np.full((40, 120, 3), 128, np.uint8)
        write_plate(picture, 0, 40, 'III', 16, colour)
        assert (np.abs(picture.astype(int) - ink) < 60).all(axis=2).any()
