"""Frames are where the boxes are, in the colour of their class, and the input is left alone."""

import numpy as np
import pytest

from detplug.drawing import boxes
from detplug.drawing.boxes import draw_boxes
from detplug.drawing.colours import class_colour

CLASSES = ('egg', 'Würmer')


def blank(height=200, width=300):
    return np.full((height, width, 3), 200, np.uint8)


def test_no_boxes_give_an_equal_copy():
    image = blank()
    drawn = draw_boxes(image, np.empty((0, 4)), np.empty(0, int), np.empty(0), CLASSES)
    assert drawn is not image
    np.testing.assert_array_equal(drawn, image)


def test_frames_have_the_colour_of_their_class_and_the_input_is_untouched():
    image = blank()
    drawn = draw_boxes(image, np.array([[50, 80, 120, 150], [180, 60, 280, 190]]), np.array([0, 1]), None, CLASSES)
    np.testing.assert_array_equal(image, blank())
    assert tuple(drawn[120, 50, ::-1]) == class_colour(0)
    assert tuple(drawn[190, 230, ::-1]) == class_colour(1)
    np.testing.assert_array_equal(drawn[120, 100], [200, 200, 200])


def test_the_best_detection_is_on_top():
    boxes = np.array([[50, 80, 120, 150]] * 2)
    for scores, top in (([0.9, 0.5], 0), ([0.5, 0.9], 1)):
        drawn = draw_boxes(blank(), boxes, np.array([0, 1]), np.array(scores), CLASSES)
        assert tuple(drawn[120, 50, ::-1]) == class_colour(top)


@pytest.mark.parametrize(
    'box', [[-50, -50, 400, 300], [0, 0, 5, 5], [295, 0, 300, 4], [10, 10, 10, 10], [0, 195, 300, 200]]
)
def test_labels_of_boxes_at_the_edge_stay_inside(box):
    drawn = draw_boxes(blank(), np.array([box]), np.array([1]), np.array([0.5]), CLASSES)
    label = (drawn == np.array(class_colour(1)[::-1])).all(axis=2)
    rows, columns = label.nonzero()
    assert drawn.shape == (200, 300, 3)
    assert rows.size and np.ptp(columns) >= 40  # the whole 'Würmer 0.50', not what the edge leaves of it


def test_a_crowded_picture_has_thin_frames_and_one_legend():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 600, (110, 2))
    boxes = np.concatenate([corner, corner + 60], axis=1)
    labels, scores = np.zeros(110, int), np.ones(110)
    crowded = draw_boxes(blank(720, 960), boxes, labels, scores, CLASSES)
    named = draw_boxes(blank(720, 960), boxes, labels, scores, CLASSES, max_labels=200)
    touched = [(picture != 200).any(axis=2).mean() for picture in (crowded, named)]
    assert touched[0] < 0.6 * touched[1]
    assert (crowded[:20, :40] == np.array(class_colour(0)[::-1])).all(axis=2).any()


def test_grey_pictures_unknown_labels_and_ignored_objects():
    drawn = draw_boxes(
        np.full((100, 100), 200, np.uint8),
        np.array([[20, 20, 60, 60], [30, 30, 90, 90]]),
        np.array([-1, 7]),
        None,
        CLASSES,
    )
    assert drawn.shape == (100, 100, 3)
    assert tuple(drawn[60, 40, ::-1]) == class_colour(-1)
    assert tuple(drawn[90, 70, ::-1]) == class_colour(7)


@pytest.mark.parametrize('many', (False, True))
def test_an_unknown_object_has_a_frame_that_no_known_class_has(many):
    boxes = np.array([[50, 80, 120, 150], [0, 0, 299, 199]] + [[150, 60, 160, 70]] * (50 if many else 0))
    labels = np.array([2, 2] + [0] * (len(boxes) - 2))
    drawn = draw_boxes(blank(), boxes, labels, np.ones(len(boxes)), (*CLASSES, 'unknown'))
    for side in (drawn[90:150, 50], drawn[150, 55:120], drawn[60:150, 0]):
        assert {tuple(pixel) for pixel in side} == {(0, 0, 0), (255, 255, 255)}


def test_which_frames_have_dashes_is_said_by_plugins_and_by_the_caller(monkeypatch):
    box, label, classes = np.array([[50, 80, 120, 150]]), np.array([2]), (*CLASSES, 'unknown')

    def side(dashed=None):
        return {tuple(pixel) for pixel in draw_boxes(blank(), box, label, None, classes, dashed=dashed)[90:150, 50]}

    monkeypatch.setattr(boxes, 'dashed_classes', dict)  # no plugin is installed
    assert side() == {class_colour(2)[::-1]}
    assert side({'unknown': (0, 0, 200)}) == {(200, 0, 0), (255, 255, 255)}
    monkeypatch.setattr(boxes, 'dashed_classes', lambda: {'unknown': (200, 0, 0)})
    assert side() == {(0, 0, 200), (255, 255, 255)}
