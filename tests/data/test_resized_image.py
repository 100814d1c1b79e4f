"""Resized images: the pixels of the file, and boxes that follow."""

import cv2
import numpy as np
import pytest
from tiny_sets import write_images

from detplug.data import LoadResizedImage
from detplug.errors import UserError


@pytest.fixture
def results(tmp_path):
    write_images(tmp_path, ['a.png'])
    boxes = np.array([[4, 8, 24, 32]], dtype=np.float32)
    return dict(img_path=str(tmp_path / 'a.png'), width=48, height=32, gt_bboxes=boxes)


def test_image_and_boxes_are_resized_to_fit(results):
    out = LoadResizedImage((24, 24))(dict(results))
    assert out['img'].shape == (16, 24, 3) and out['img_shape'] == (16, 24) and out['ori_shape'] == (32, 48)
    assert out['scale_factor'] == (0.5, 0.5)
    np.testing.assert_allclose(out['gt_bboxes'], [[2, 4, 12, 16]])
    np.testing.assert_array_equal(out['img'], cv2.resize(cv2.imread(results['img_path']), (24, 16)))


def test_another_size_than_annotated_is_refused(results):
    with pytest.raises(UserError, match='image is 48x32, its annotation says 32x48'):
        LoadResizedImage((24, 24))(results | dict(width=32, height=48))


@pytest.mark.parametrize('megabytes', [0, 1])
def test_pixels_cannot_be_changed_in_place_with_or_without_the_cache(results, tmp_path, megabytes):
    transform = LoadResizedImage((24, 24), cache_mb=megabytes, cache_dir=str(tmp_path / 'cache'))
    for _ in range(2):
        with pytest.raises(ValueError, match='read-only'):
            transform(dict(results))['img'][:] = 0
    assert (tmp_path / 'cache').exists() == bool(megabytes)


def test_annotated_size_is_checked_for_cached_images_too(results):
    LoadResizedImage((24, 24))(dict(results))
    with pytest.raises(UserError, match='image is 48x32, its annotation says 32x48'):
        LoadResizedImage((24, 24))(results | dict(width=32, height=48))


@pytest.mark.parametrize('size', [-1, float('nan'), float('inf'), True, '1 GB', None])
def test_a_cache_size_that_is_none_is_refused(size):
    with pytest.raises(UserError, match='cache_mb: .* is no size; give MB, or 0 for no cache'):
        LoadResizedImage((24, 24), cache_mb=size)


def test_a_cache_for_no_image_is_refused():
    with pytest.raises(UserError, match=r'cache_mb: 1 MB hold no image of 640x640 px \(1.17 MB\)'):
        LoadResizedImage((640, 640), cache_mb=1)
