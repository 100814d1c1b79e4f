"""The transform that reads an image is the one reader, in stock pipelines too; what only mmcv reads stays with it."""

import cv2
import numpy as np
import pytest
from mmdet.registry import TRANSFORMS

import detplug.register  # noqa: F401
from detplug.data import LoadResizedImage
from detplug.errors import ImageError, UserError


def load(path, **options):
    return TRANSFORMS.build(dict(type='LoadImageFromFile', **options))(dict(img_path=str(path)))


@pytest.fixture
def deep(tmp_path):
    """A file of 12 bit in 16."""
    path = tmp_path / 'deep.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 4096, (24, 30), dtype=np.uint16))
    return path


@pytest.mark.parametrize('options', [{}, dict(backend_args=None), dict(to_float32=False)])
def test_more_than_8_bit_are_never_guessed(deep, options):
    with pytest.raises(ImageError, match='uint16'):
        load(deep, **options)


def test_training_and_test_see_the_same_window(deep, tmp_path):
    results = load(deep, window=(0, 4095))
    assert results['img'].shape == (24, 30, 3) and results['ori_shape'] == (24, 30)
    assert results['img'].max() > 200
    train = LoadResizedImage((30, 30), cache_dir=str(tmp_path / 'cache'), window=(0, 4095))
    for _ in range(2):  # decoded, then from the cache
        np.testing.assert_array_equal(train(dict(img_path=str(deep)))['img'], results['img'])
    other = LoadResizedImage((30, 30), cache_dir=str(tmp_path / 'cache'), window=(0, 2047))
    assert other(dict(img_path=str(deep)))['img'].mean() > results['img'].mean() + 20  # not the first one's pixels


def test_a_window_beside_another_decoder_is_refused():
    with pytest.raises(UserError, match='window: not with'):
        TRANSFORMS.build(dict(type='LoadImageFromFile', window=(0, 4095), imdecode_backend='pillow'))
    with pytest.raises(UserError, match='window'):
        TRANSFORMS.build(dict(type='LoadImageFromFile', window=(4095, 0)))


def test_grey_as_one_channel_stays_mmcv_s(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((4, 5), np.uint8))
    assert load(tmp_path / 'a.png', color_type='grayscale')['img'].shape[:2] == (4, 5)
