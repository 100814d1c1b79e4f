"""The noise of `boxes` mode: what is fitted to a detector is what comes out."""

import json

import numpy as np
import pytest

from plugins.sabra.box_noise import BoxNoise, relative_size
from plugins.sabra.fit_noise import fit_noise
from plugins.sabra.transforms.proposals import NOISE

BOXES = np.array([[10.0, 10, 50, 50], [60, 60, 100, 120], [5, 70, 25, 90]])
LABELS = np.array([3, 1, 2])
SIZE = (200, 150)


def perfect():
    return fit_noise([(BOXES, LABELS, SIZE)], [(BOXES, LABELS, np.array([0.9, 0.8, 0.7]))])


def test_a_perfect_detector_changes_nothing():
    noise = BoxNoise(perfect(), classes=5)
    boxes, labels, scores = noise.draw(BOXES, LABELS, SIZE, np.random.default_rng(0))
    order = np.argsort(labels)
    np.testing.assert_allclose(boxes[order], BOXES[[1, 2, 0]], atol=0.02)  # the table has 4 decimals
    assert set(scores.round(4)) <= {np.float32(x) for x in (0.9, 0.8, 0.7)}


def test_shift_and_growth_of_the_detector_come_back():
    shifted = BOXES + 4.0  # 0.1 of a side of 40
    table = fit_noise([(BOXES[:1], LABELS[:1], SIZE)], [(shifted[:1], LABELS[:1], np.array([0.6]))])
    boxes, labels, scores = BoxNoise(table).draw(
        np.array([[0.0, 0, 80, 80]]), LABELS[:1], SIZE, np.random.default_rng(0)
    )
    np.testing.assert_allclose(boxes, [[8, 8, 88, 88]], atol=0.02)
    assert labels.tolist() == [3]


def test_missed_objects_confused_names_and_wrong_boxes_are_as_frequent_as_fitted():
    generator = np.random.default_rng(1)
    images, found = [], []
    for number in range(40):
        corner = generator.uniform(0, 100, (5, 2))
        boxes = np.concatenate([corner, corner + generator.uniform(20, 60, (5, 2))], 1)
        labels = generator.integers(0, 5, 5)
        seen = generator.random(5) < 0.7
        names = np.where(generator.random(5) < 0.2, (labels + 1) % 5, labels)
        wrong = np.tile([150.0, 100, 190, 140], (number % 2, 1))
        images.append((boxes, labels, SIZE))
        found.append(
            (
                np.concatenate([boxes[seen], wrong]),
                np.append(names[seen], np.zeros(len(wrong), int)),
                generator.uniform(0.3, 1, seen.sum() + len(wrong)),
            )
        )
    table = fit_noise(images, found)
    rows = np.array([row for group in table.objects for row in group])
    assert abs((rows[:, 0] > 0).mean() - 0.7) < 0.1
    assert abs(rows[rows[:, 0] > 0, 5].mean() - 0.8) < 0.1
    noise = BoxNoise(table, classes=50, confused=1.0)
    counts, same = [], []
    for boxes, labels, size in images * 5:
        drawn, names, _ = noise.draw(boxes, labels, size, generator)
        counts.append(len(drawn))
    expected = np.mean([len(x[0]) for x in found])
    assert abs(np.mean(counts) - expected) < 0.1 * expected
    boxes = np.array([[60.0, 40, 120, 100]])
    for _ in range(500):
        drawn, names, _ = noise.draw(boxes, np.array([2]), size, generator)
        same += names.tolist()
    group = np.array(table.objects[int(np.searchsorted(table.edges, relative_size(boxes, size)[0]))])
    assert abs(np.mean(np.array(same) == 2) - group[group[:, 0] > 0, 5].mean()) < 0.08


@pytest.mark.parametrize('boxes', [np.zeros((0, 4)), np.array([[5.0, 5, 5, 5]]), np.array([[0.0, 0, 200, 150]])])
def test_empty_and_extreme_images_are_normal(boxes):
    noise = BoxNoise(json.loads(NOISE.read_text()), classes=9)
    generator = np.random.default_rng(0)
    for _ in range(50):
        found, labels, scores = noise.draw(boxes, np.zeros(len(boxes), np.int64), SIZE, generator)
        assert len(found) == len(labels) == len(scores)
        assert np.isfinite(found).all()
        assert (found >= 0).all() and (found <= np.tile(SIZE, 2)).all()
        assert (found[:, 2:] > found[:, :2]).all()
        assert (np.diff(scores) <= 0).all()
        assert ((labels >= 0) & (labels < 9)).all()


def test_the_same_generator_gives_the_same_boxes():
    noise = BoxNoise(json.loads(NOISE.read_text()), classes=9)
    drawn = [noise.draw(BOXES, LABELS, SIZE, np.random.default_rng(4)) for _ in range(2)]
    for first, second in zip(*drawn, strict=True):
        np.testing.assert_array_equal(first, second)


def test_no_box_of_the_table_is_there_under_two_names():
    """The detectors that the noise stands for give a box one name."""
    table = json.loads(NOISE.read_text())
    hits = [row for rows in table['objects'] for row in rows if row[0] > 0]
    at_objects = [tuple(row[1:5]) for row in [*hits, *table['near']]]
    elsewhere = [tuple(row[1:5]) for row in table['free']]
    assert len(set(at_objects)) == len(at_objects) and len(set(elsewhere)) == len(elsewhere)
