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
