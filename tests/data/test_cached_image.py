"""Cached images: the pixels of the file, resized once, safe from whoever changes its copy."""

import cv2
import numpy as np
import pytest
from tiny_sets import write_images

from detplug.data import LoadResizedImage
from detplug.errors import UserError


@pytest.fixture
def results(tmp_path):
    write_images(tmp_path, ['a.png', 'b.png'])

    def make(name='a.png'):
        boxes = np.array([[4, 8, 24, 32]], dtype=np.float32)
        return dict(img_path=str(tmp_path / name), width=48, height=32, gt_bboxes=boxes)

    return make


def test_image_and_boxes_are_resized_to_fit(results):
    out = LoadResizedImage((24, 24))(results())
    assert out['img'].shape == (16, 24, 3) and out['img_shape'] == (16, 24) and out['ori_shape'] == (32, 48)
    assert out['scale_factor'] == (0.5, 0.5)
    np.testing.assert_allclose(out['gt_bboxes'], [[2, 4, 12, 16]])
    np.testing.assert_array_equal(out['img'], cv2.resize(cv2.imread(results()['img_path']), (24, 16)))


def test_the_second_read_is_from_memory_and_equal(results, tmp_path):
    load = LoadResizedImage((24, 24))
    first = load(results())['img']
    (tmp_path / 'a.png').unlink()
    np.testing.assert_array_equal(load(results())['img'], first)


def test_changing_an_image_in_place_does_not_change_the_next_one(results):
    load = LoadResizedImage((24, 24))
    image = load(results())['img']
    kept = image.copy()
    image[:] = 0
    np.testing.assert_array_equal(load(results())['img'], kept)


def test_without_copy_the_cache_cannot_be_written(results):
    load = LoadResizedImage((24, 24), copy=False)
    for _ in range(2):
        with pytest.raises(ValueError, match='read-only'):
            load(results())['img'][:] = 0


@pytest.mark.parametrize('budget, kept', [(0, 0), (1.5, 1), (2, 2)])
def test_memory_stays_in_the_budget(results, budget, kept):
    load = LoadResizedImage((24, 24), cache_mb=budget * 24 * 16 * 3 / 2**20)
    for name in ('a.png', 'b.png', 'a.png'):
        assert load(results(name))['img'].shape == (16, 24, 3)
    assert len(load.cache) == kept


def test_another_size_than_annotated_is_refused(results):
    with pytest.raises(UserError, match='image is 48x32, its annotation says 32x48'):
        LoadResizedImage((24, 24))(results() | dict(width=32, height=48))
