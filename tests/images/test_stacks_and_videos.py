"""Files that hold several pictures: each is an item of its own."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detplug.errors import UserError
from detplug.images.sources import list_items
from detplug.images.tiff_pages import tiff_pages
from detplug.images.video import FrameReader


def stack(path, values, sizes=None, **options):
    pages = [Image.new('RGB', sizes[i] if sizes else (20, 10), (value,) * 3) for i, value in enumerate(values)]
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    return path


@pytest.mark.parametrize('options', [{}, {'compression': 'tiff_deflate'}, {'big_tiff': True}])
def test_each_page_of_a_tiff_is_an_item(tmp_path, options):
    path = stack(tmp_path / 'a.tif', [10, 20, 30], [(20, 10), (30, 10), (20, 11)], **options)
    items = list(list_items([str(path)]))
    assert [item.name for item in items] == [f'{path}#page={i}' for i in range(3)]
    assert [item.size for item in items] == [(20, 10), (30, 10), (20, 11)]
    for item, value in zip(items, (10, 20, 30), strict=True):
        pixels = item.read()
        assert pixels.shape == (*item.size[::-1], 3) and (pixels == value).all()


def test_a_tiff_of_one_page_keeps_its_name(tmp_path):
    path = stack(tmp_path / 'a.tif', [10])
    assert [item.name for item in list_items([str(path)])] == [str(path)]


def test_a_smaller_copy_of_a_page_is_no_item_and_is_named(tmp_path):
    path = stack(tmp_path / 'a.tif', [10, 20])
    content = bytearray(path.read_bytes())
    first = struct.unpack_from('<I', content, 4)[0]
    count = struct.unpack_from('<H', content, first)[0]
    second = struct.unpack_from('<I', content, first + 2 + 12 * count)[0]
    struct.pack_into('<HHII', content, second + 2, 254, 4, 1, 1)  # in place of the second page's first tag, its width
    path.write_bytes(content)
    pages = tiff_pages(path)
    assert len(pages) in (1, 2)
    items = list_items([str(path)])
    assert [item.name for item in items] == [str(path)]


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_list_of_pages(tmp_path_factory, content, big):
    path = tmp_path_factory.mktemp('bytes') / 'a.tif'
    path.write_bytes((b'II+\0\x08\0\0\0' if big else b'II*\0') + content)
    assert isinstance(tiff_pages(path), list)


@given(st.data())
def test_a_damaged_stack_is_a_list_of_pages(tmp_path_factory, data):
    path = stack(tmp_path_factory.mktemp('stack') / 'a.tif', [10, 20])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert len(tiff_pages(path)) <= 8


@pytest.fixture
def clip(tmp_path):
    """A video of 12 frames, each of another grey."""
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (32, 32))
    for i in range(12):
        writer.write(np.full((32, 32, 3), 20 * i, np.uint8))
    writer.release()
    return path


def test_each_frame_of_a_video_is_an_item_in_any_order(clip):
    items = list(list_items([str(clip)]))
    assert [item.name for item in items] == [f'{clip}#frame={i}' for i in range(12)]
    for i in (0, 1, 5, 3, 11, 0):
        assert abs(int(items[i].read().mean()) - 20 * i) <= 3


def test_a_frame_that_is_not_there_and_no_video_are_one_line(clip, tmp_path):
    with pytest.raises(UserError, match='clip.avi: frame 12'):
        FrameReader(clip).read(12)
    (tmp_path / 'no.mp4').write_bytes(b'no video')
    (item,) = list_items([str(tmp_path / 'no.mp4')])
    with pytest.raises(UserError, match='no.mp4'):
        item.read()
