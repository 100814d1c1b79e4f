"""Truth left, detections right, for every image."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detplug.drawing.colours import class_colour
from detplug.report.mosaic import PANE, caption, mosaic, panes

CLASSES = ('egg', 'worm')


def coloured(pane, label):
    return int((pane == np.array(class_colour(label)[::-1])).all(axis=2).sum())


def test_truth_is_left_and_detections_from_the_score_are_right(make_images):
    image = make_images(1, 1, 3)[0]
    image.gt_ignored[:] = False
    image.boxes, image.labels = np.array([[10.0, 20, 60, 70]] * 2), np.array([1, 0])
    image.scores = np.array([0.9, 0.2])
    truth, predicted = panes(image, CLASSES, 0.5)
    assert coloured(truth, 0) > 100 > coloured(truth, 1)
    assert coloured(predicted, 1) > 100 > coloured(predicted, 0)


def test_boxes_follow_the_size_of_the_pane(make_images):
    image = make_images(1, 1, 1)[0]
    cv2.imwrite(image.img_path, np.full((96, 128, 3), 200, np.uint8))
    image.gt_boxes, image.gt_labels, image.gt_ignored = np.array([[32.0, 48, 96, 90]]), np.array([0]), np.array([False])
    truth, _ = panes(image, CLASSES, 0.5)
    rows, columns = (truth == np.array(class_colour(0)[::-1])).all(axis=2).nonzero()
    scale = PANE[0] / 128
    np.testing.assert_allclose([columns.min(), columns.max(), rows.max()], np.array([32, 96, 90]) * scale, atol=2)


def test_an_ignored_object_of_every_class_is_drawn_once(make_images):
    once = make_images(1, 2, 1)[0]
    once.gt_ignored[:] = True
    twice = replace(
        once,
        gt_boxes=once.gt_boxes.repeat(30, 0),
        gt_labels=np.arange(30) % 2,
        gt_ignored=once.gt_ignored.repeat(30),
        gt_areas=once.gt_areas.repeat(30),
    )
    np.testing.assert_array_equal(panes(once, CLASSES, 0.5)[0], panes(twice, CLASSES, 0.5)[0])


def test_every_image_has_a_row_and_none_give_a_blank_one(make_images):
    one, five = mosaic(make_images(1, 2, 4), CLASSES, 0.5), mosaic(make_images(5, 2, 4), CLASSES, 0.5)
    assert five.shape == (5 * one.shape[0], *one.shape[1:])
    assert (mosaic([], CLASSES, 0.5) == 255).all()


@pytest.mark.parametrize('classes', [CLASSES, (*CLASSES, 'unknown')])
def test_an_unknown_object_is_in_the_truth_and_what_lies_on_it_is_no_false_alarm(make_images, classes):
    known = replace(make_images(1, 2, 0)[0], boxes=np.array([[10.0, 20, 60, 70]]), labels=np.array([1]))
    known = replace(known, scores=np.array([0.9]))
    unknown = replace(known, unknown_boxes=known.boxes + 2)
    dashes = [(panes(image, classes, 0.5)[0] == 255).all(axis=2).sum() for image in (known, unknown)]
    assert dashes[0] == 0 and dashes[1] > 50
    assert caption(known, 0.5).endswith('1 false')
    assert caption(unknown, 0.5).endswith('F1 1.00: 0 correct, 0 missed, 0 false, 1 on unknown objects')


def test_the_caption_counts_and_shortens_long_names(make_images):
    image = replace(make_images(1, 2, 0)[0], img_path='x' * 300 + '.png')
    assert caption(image, 0.5).endswith('F1 1.00: 0 correct, 0 missed, 0 false') and len(caption(image, 0.5)) < 100
