"""The one reader: what it turns, what it refuses, what it never does in silence."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from detplug.errors import ImageError, UserError
from detplug.images.header import read_header
from detplug.images.reading import read_image
from detplug.images.window import check_window, eight_bit

SUFFIXES = ('jpg', 'png', 'webp', 'tif', 'bmp')


@pytest.fixture(scope='module')
def picture() -> np.ndarray:
    """(60, 80, 3) RGB, smooth, no two corners alike."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (80, 60))


def encoded(picture: np.ndarray, suffix: str, **options) -> bytes:
    out = io.BytesIO()
    options |= {'lossless': True} if suffix == 'webp' else {}
    Image.fromarray(picture).save(out, {'jpg': 'JPEG', 'tif': 'TIFF'}.get(suffix, suffix.upper()), **options)
    return out.getvalue()


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
def test_a_picture_is_turned_as_its_orientation_says(picture, suffix, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x112] = orientation
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(encoded(picture, suffix, exif=exif))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert('RGB'))[..., ::-1].astype(int)
    pixels = read_image(path)
    assert pixels.shape == expected.shape and read_header(path).shown_size == expected.shape[1::-1]
    assert np.abs(pixels - expected).max() < 8


@pytest.mark.parametrize('share', [0.0, 0.3, 0.45, 0.9, 0.99])
@pytest.mark.parametrize('suffix', SUFFIXES)
def test_a_file_that_is_cut_off_is_one_line(picture, suffix, share, tmp_path):
    content = encoded(picture, suffix)
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError) as error:
        read_image(path)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_what_follows_the_end_is_no_fault(picture, suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    content = encoded(picture, suffix)
    path.write_bytes(content)
    expected = read_image(path)
    path.write_bytes(content + bytes(10_000))
    np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize('suffix', ['png', 'tif'])
@pytest.mark.parametrize('channels', [1, 3])
def test_more_than_8_bit_need_a_window(suffix, channels, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4096, (20, 30, channels), dtype=np.uint16)
    path = tmp_path / f'a.{suffix}'
    cv2.imwrite(str(path), pixels)
    with pytest.raises(ImageError, match=r'uint16 pixels up to \d+: .*window=\(0, 4095\)'):
        read_image(path)
    expected = np.rint(pixels / 4095 * 255)
    assert np.abs(read_image(path, (0, 4095)).astype(int) - expected).max() <= 1
    low = read_image(path, (2000, 3000))
    assert (low[np.broadcast_to(pixels, (20, 30, 3)) <= 2000] == 0).all()
    assert (low[np.broadcast_to(pixels, (20, 30, 3)) >= 3000] == 255).all()


def test_a_window_leaves_8_bit_alone():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert eight_bit(pixels, (0, 4095), 'a') is pixels


@pytest.mark.parametrize('window', [(1,), (3, 1), (0, np.inf), ('a', 'b'), 7, (np.nan, 1)])
def test_a_window_that_is_none_is_one_line(window):
    with pytest.raises(UserError, match=r'x: window: .* is no \(low, high\)'):
        check_window(window, 'x')


@pytest.mark.parametrize(('suffix', 'kind'), [('png', 'PNG'), ('webp', 'WEBP'), ('tif', 'TIFF'), ('gif', 'GIF')])
def test_several_pictures_in_one_file_are_named(picture, suffix, kind, tmp_path):
    path = tmp_path / f'a.{suffix}'
    first, second = (Image.fromarray(x) for x in (picture, 255 - picture))
    first.save(path, kind, save_all=True, append_images=[second])
    with pytest.raises(ImageError, match='holds 2 pictures'):
        read_image(path)


def test_a_smaller_copy_in_a_tiff_is_no_second_picture(picture, tmp_path):
    path = tmp_path / 'a.tif'
    small = Image.fromarray(picture).resize((20, 15))
    small.encoderinfo = {'tiffinfo': {254: 1}}
    Image.fromarray(picture).save(path, save_all=True, append_images=[small])
    np.testing.assert_array_equal(read_image(path), picture[..., ::-1])


@pytest.mark.parametrize('reduce', [2, 4, 8])
@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_a_reduced_picture_is_the_picture_at_that_size(picture, suffix, reduce, tmp_path):
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(encoded(picture[:59, :77], suffix))
    pixels = read_image(path, reduce=reduce)
    assert pixels.shape == (-(-59 // reduce), -(-77 // reduce), 3)
    whole = np.pad(read_image(path).astype(float), ((0, -59 % reduce), (0, -77 % reduce), (0, 0)), 'edge')
    height, width = pixels.shape[:2]
    squares = whole.reshape(height, reduce, width, reduce, 3).mean((1, 3))
    assert np.abs(pixels - squares)[:-1, :-1].mean() < 4


def test_cmyk_grey_palette_and_transparent_pictures_become_three_channels(picture, tmp_path):
    for name, mode in (('a.jpg', 'CMYK'), ('a.png', 'L'), ('b.png', 'P'), ('c.png', 'RGBA'), ('b.tif', '1')):
        Image.fromarray(picture).convert(mode).save(tmp_path / name)
        assert read_image(tmp_path / name).shape == (60, 80, 3)


def test_what_is_no_file_is_one_line(tmp_path):
    for path, words in ((tmp_path, 'not a file'), (tmp_path / 'gone.png', 'not found'), ('a\0b.png', 'not readable')):
        with pytest.raises(ImageError, match=words):
            read_image(path)


def test_a_picture_beyond_the_decoders_limit_is_told_from_a_damaged_one(tmp_path):
    header = struct.pack('>IIBBBBB', 40_000, 40_000, 8, 2, 0, 0, 0)
    chunks = ((b'IHDR', header), (b'IDAT', zlib.compress(b'')), (b'IEND', b''))
    path = tmp_path / 'huge.png'
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + b''.join(struct.pack('>I', len(x)) + n + x + struct.pack('>I', zlib.crc32(n + x)) for n, x in chunks)
    )
    with pytest.raises(ImageError, match='more than 1073741824 px, or a side above .* make it a tiled TIFF'):
        read_image(path)
