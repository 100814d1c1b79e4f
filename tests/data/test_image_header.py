"""Sizes and EXIF orientations from headers, against what OpenCV decodes."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from tiny_sets import coco_content, write_coco

from detplug.data import CheckedCocoDataset, NamedCocoDataset
from detplug.data.prepare import check_image
from detplug.data.records import ImageRecord
from detplug.errors import UserError
from detplug.images.header import EXIF_ORIENTATION, read_header


def write_turned(path, orientation, size=(48, 32)):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.new('RGB', size, (9, 90, 200)).save(path, exif=exif)
    return path


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
@pytest.mark.parametrize('orientation', range(10))
def test_the_shown_size_is_that_of_the_decoded_picture(tmp_path, orientation, suffix):
    path = write_turned(tmp_path / f'a.{suffix}', orientation)
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert read_header(path).shown_size == decoded.shape[1::-1]


def kinds(path, width, height) -> list[str]:
    return [line.partition(':')[0] for line in check_image(ImageRecord(0, path.name, width, height), path)]


def test_a_turned_picture_is_listed_unless_its_size_shows_that_its_boxes_are_turned_too(tmp_path):
    for orientation in (1, 9):
        assert kinds(write_turned(tmp_path / 'a.jpg', orientation), 48, 32) == []
    for orientation in (2, 3, 4):
        path = write_turned(tmp_path / 'a.jpg', orientation)
        assert kinds(path, 48, 32) == ['turned by EXIF, its boxes perhaps not']
        assert kinds(path, 32, 48) == ['wrong size']
    for orientation in (5, 6, 7, 8):
        path = write_turned(tmp_path / 'a.jpg', orientation)
        assert kinds(path, 32, 48) == [], 'annotated on the turned picture'
        assert kinds(path, 48, 32) == ['turned by EXIF, its boxes are not']
        assert kinds(path, 48, 48) == ['wrong size']
        assert kinds(write_turned(path, orientation, (40, 40)), 40, 40) == ['turned by EXIF, its boxes perhaps not']


@pytest.mark.parametrize('kind', [CheckedCocoDataset, NamedCocoDataset])
@pytest.mark.parametrize('absent', [('width',), ('width', 'height')])
def test_a_size_that_the_annotations_lack_is_that_of_the_image(tmp_path, kind, absent):
    content = coco_content()
    write_coco(tmp_path, content)
    for name in absent:
        content['images'][1].pop(name)
    content['images'][2] |= dict.fromkeys(absent)
    write_coco(tmp_path, content)
    arguments = dict(data_root=str(tmp_path), ann_file='ann.json', data_prefix=dict(img='img'), pipeline=[])
    dataset = kind(metainfo=dict(classes=('worm', 'egg', 'cyst')), **arguments)
    assert [(item['width'], item['height']) for item in dataset] == [(48, 32)] * 3
    assert dataset.audit.kinds == {'size read from the image': 2}
    (tmp_path / 'img/1.png').unlink()
    with pytest.raises(
        UserError, match=r'ann.json: images: 1.png: width, height: missing, and .*1.png: image not found'
    ):
        kind(metainfo=dict(classes=('worm', 'egg', 'cyst')), **arguments)


@pytest.mark.parametrize('kind', [CheckedCocoDataset, NamedCocoDataset])
def test_file_names_of_windows_are_read(tmp_path, kind):
    content = coco_content()
    (tmp_path / 'img/a').mkdir(parents=True)
    for image in content['images']:
        image['file_name'] = f'a/{image["file_name"]}'
    write_coco(tmp_path, content)
    for image in content['images']:
        image['file_name'] = image['file_name'].replace('/', '\\')
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    dataset = kind(
        data_root=str(tmp_path),
        ann_file='ann.json',
        data_prefix=dict(img='img'),
        metainfo=dict(classes=('worm', 'egg', 'cyst')),
        pipeline=[dict(type='LoadImageFromFile')],
    )
    assert [item['img'].shape for item in dataset] == [(32, 48, 3)] * 3
    assert dataset.audit.kinds == {'backslash in file_name read as slash': 3}


@pytest.mark.parametrize('content', [b'', b'\xff\xd8\xff\xd9', b'GIF89a' + bytes(9), b'\x89PNG\r\n\x1a\n....IEND'])
def test_what_is_no_image_is_one_line(tmp_path, content):
    (tmp_path / 'a.jpg').write_bytes(content)
    with pytest.raises(UserError, match=r'a\.jpg') as error:
        read_header(tmp_path / 'a.jpg')
    assert '\n' not in str(error.value)
