import json

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from tiny_sets import coco_content

from detplug.data import tiled_datasets
from detplug.errors import UserError

SIZE = (160, 100)  # px
LOAD = [dict(type='LoadAnnotations', with_bbox=True, box_type=None), dict(type='LoadResizedTile', scale=(64, 64))]
STOCK = [dict(type='LoadImageFromFile'), dict(type='CropToTile'), dict(type='LoadAnnotations', with_bbox=True)]
TEST = [
    dict(type='LoadImageFromFile'),
    dict(type='Letterbox', scale=(64, 64)),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'scale_factor', 'instances')),
]


@pytest.fixture
def folder(tmp_path):
    """Two pictures of noise, with three boxes in the first."""
    content = coco_content(images=2)
    rng = np.random.default_rng(0)
    (tmp_path / 'img').mkdir()
    for entry in content['images']:
        entry.update(width=SIZE[0], height=SIZE[1])
        cv2.imwrite(str(tmp_path / 'img' / entry['file_name']), rng.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8))
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    return tmp_path


def inner(folder, pipeline, **more):
    return dict(
        type='CheckedCocoDataset', data_root=str(folder), ann_file='ann.json', data_prefix=dict(img='img/'),
        metainfo=dict(classes=('worm', 'egg', 'cyst')), pipeline=pipeline, **more,
    )  # fmt: skip


def tiled(folder, pipeline=LOAD, kind='TiledDataset', tile=64, **more):
    return DATASETS.build(dict(type=kind, dataset=inner(folder, pipeline, **more), tile=tile, overlap=0.2))


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the pictures that are decoded."""
    paths = []
    read = tiled_datasets.read_image
    monkeypatch.setattr(tiled_datasets, 'read_image', lambda path: paths.append(path) or read(path))
    return paths


@pytest.mark.parametrize('pipeline', [LOAD, STOCK])
def test_an_item_is_the_pixels_and_boxes_of_a_tile(folder, pipeline):
    dataset = tiled(folder, pipeline)
    assert len(dataset) == 2 * 6 and dataset.metainfo['classes'] == ('worm', 'egg', 'cyst')
    for sample in (dataset[i] for i in range(len(dataset))):
        x1, y1, x2, y2 = sample['tile']
        picture = cv2.imread(sample['img_path'])
        np.testing.assert_array_equal(sample['img'], picture[y1:y2, x1:x2])
        assert len(sample['gt_bboxes']) == len(sample['instances'])


def test_each_picture_is_decoded_once_for_all_of_its_tiles(folder, decoded):
    dataset = tiled(folder)
    order = np.random.default_rng(0).permutation(len(dataset))
    first = [dataset[i]['img'].copy() for i in order]
    assert len(decoded) == 2
    again = tiled(folder)  # another process or run
    for image, i in zip(first, order, strict=True):
        np.testing.assert_array_equal(again[i]['img'], image)
    assert len(decoded) == 2


def test_without_a_cache_the_tiles_are_the_same(folder, decoded):
    bare = [LOAD[0], dict(LOAD[1], cache_mb=0)]
    for a, b in zip(tiled(folder), tiled(folder, bare), strict=True):
        np.testing.assert_array_equal(a['img'], b['img'])
        np.testing.assert_array_equal(a['gt_bboxes'], b['gt_bboxes'])


def test_a_tile_that_is_not_of_the_networks_size_is_resized_with_its_boxes(folder):
    sample = tiled(folder, tile=50)[0]
    assert sample['img'].shape == (64, 64, 3)
    np.testing.assert_allclose(sample['gt_bboxes'][0], np.array([2, 3, 12, 11]) * 64 / 50, rtol=1e-5)


@pytest.mark.parametrize('pipeline', [LOAD, STOCK])
def test_a_picture_of_another_size_than_its_annotation_says_is_one_line(folder, pipeline):
    tiled(folder)[0]  # its tiles are in the cache
    content = json.loads((folder / 'ann.json').read_text())
    content['images'][0]['width'] = SIZE[0] + 20
    (folder / 'ann.json').write_text(json.dumps(content))
    with pytest.raises(UserError, match='0.png: image is 160x100, its annotation says 180x100'):
        tiled(folder, pipeline)[0]


def test_a_picture_to_test_is_its_tiles_and_the_first_has_the_annotations(folder):
    dataset = tiled(folder, TEST, 'TiledPictures', test_mode=True)
    assert len(dataset) == 2 and dataset.most_tiles() == 6
    picture = dataset[0]
    assert picture.size == SIZE and len(picture.inputs) == len(picture.data_samples) == len(picture.tiles) == 6
    pixels = cv2.imread(str(folder / 'img' / '0.png'))
    for tensor, (x1, y1, x2, y2) in zip(picture.inputs, picture.tiles, strict=True):
        np.testing.assert_array_equal(tensor.numpy().transpose(1, 2, 0), pixels[y1:y2, x1:x2])
    assert [len(sample.instances) for sample in picture.data_samples] == [3, 0, 0, 0, 0, 0]


def test_a_pipeline_that_does_not_load_an_image_first_is_refused(folder):
    with pytest.raises(UserError, match='--tile: the test pipeline begins with Letterbox'):
        tiled(folder, TEST[1:], 'TiledPictures')
