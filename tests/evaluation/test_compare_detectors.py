"""Comparison of two detectors: AP equals COCO's for any draw of images, and the interval says what is known."""

import dataclasses

import numpy as np
import pytest

from detplug.errors import UserError
from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.compare import average_precision, class_matches, main, paired_bootstrap
from detplug.evaluation.image_result import ImageResult
from detplug.evaluation.results_file import load_results, save_results

CLASSES = ('a', 'b', 'c')


def random_images(number: int = 12, seed: int = 0, noise: float = 3.0, missed: float = 0.2) -> list[ImageResult]:
    """Images with 6 objects; class c is rare; detections are noisy copies and some false ones."""
    truth, detector_rng = np.random.default_rng(5), np.random.default_rng(seed)
    images = []
    for i in range(number):
        corner = truth.uniform(0, 80, (6, 2))
        boxes = np.concatenate([corner, corner + truth.uniform(10, 30, (6, 2))], 1)
        labels = np.array([0, 0, 0, 1, 1, 2 if i == 0 else 1])
        ignored = np.array([False] * 5 + [i % 4 == 1])
        kept = detector_rng.random(6) > missed
        detected = np.concatenate([boxes[kept] + detector_rng.normal(0, noise, (kept.sum(), 4)), boxes[:2] + 25])
        classes = np.concatenate([labels[kept], [0, 1]])
        scores = detector_rng.random(len(detected))
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        images.append(ImageResult(i, f'{i}.png', 120, 120, boxes, labels, ignored, areas, detected, classes, scores))
    return images


def test_average_precision_equals_coco():
    images = random_images()
    wanted = box_metrics(images, CLASSES, 100)
    for k, name in enumerate(CLASSES):
        gains = average_precision(class_matches(images, 3)[k], np.ones(len(images)))
        assert gains == pytest.approx(wanted[f'ap/{name}'], abs=1e-9)


def test_a_drawn_image_counts_as_often_as_it_is_drawn():
    images = random_images()
    weights = np.random.default_rng(1).integers(0, 3, len(images))
    repeated = [
        dataclasses.replace(image, img_id=100 * k + image.img_id)
        for image, times in zip(images, weights, strict=True)
        for k in range(times)
    ]
    wanted = box_metrics(repeated, CLASSES, 100)
    gains = average_precision(class_matches(images, 3)[0], weights)
    assert gains == pytest.approx(wanted['ap/a'], abs=1e-9)
    assert np.isnan(average_precision(class_matches(images, 3)[2], np.arange(len(images)) > 0))  # no object drawn


def test_the_interval():
    good, bad, same = (
        random_images(seed=1, noise=1),
        random_images(seed=2, noise=6, missed=0.6),
        random_images(seed=1, noise=1),
    )
    gains = paired_bootstrap(bad, good, CLASSES, draws=200)
    assert set(gains) == {'all', 'a', 'b'}  # class c has one object
    assert all(low <= gain <= high for gain, low, high in gains.values()) and gains['all'][1] > 0
    assert gains == paired_bootstrap(bad, good, CLASSES, draws=200)
    assert all(values == (0, 0, 0) for values in paired_bootstrap(good, same, CLASSES, draws=20).values())
    assert paired_bootstrap(good[:2], same[:2], CLASSES, draws=5) == {}


def test_files(tmp_path, capsys):
    images = random_images()
    images.append(
        dataclasses.replace(images[0], img_id=99, boxes=np.zeros((0, 4)), labels=np.zeros(0, int), scores=np.zeros(0))
    )
    save_results(tmp_path / 'a.npz', images, CLASSES)
    again, classes = load_results(tmp_path / 'a.npz')
    assert classes == CLASSES
    for first, second in zip(images, again, strict=True):
        for field in dataclasses.fields(ImageResult):
            np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert main([str(tmp_path / 'a.npz'), str(tmp_path / 'a.npz'), '--draws', '5']) == 0
    assert '+0.000' in capsys.readouterr().out
    save_results(tmp_path / 'none.npz', [], CLASSES)
    assert load_results(tmp_path / 'none.npz') == ([], CLASSES)
    with pytest.raises(UserError, match='same images'):
        paired_bootstrap(images, images[1:], CLASSES)
    (tmp_path / 'text.npz').write_text('no')
    for name in ('text.npz', 'missing.npz'):
        with pytest.raises(UserError, match=name):
            load_results(tmp_path / name)
