"""Whole slides, read by regions; needs the extra [slides]."""

import sys

import cv2
import numpy as np
import pytest

from detplug.errors import ImageError
from detplug.images.slides import Slide
from detplug.images.sources import list_items

tifffile = pytest.importorskip('tifffile')


@pytest.fixture
def tiffslide():
    return pytest.importorskip('tiffslide', reason="pip install 'detplug[slides]'")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)


def write(path, pixels, um=(0.25, 0.5), unit='µm', **options):
    metadata = {'axes': 'YXS' if pixels.ndim == 3 else 'YX'}
    if um:
        for axis, size in zip('XY', um, strict=True):
            metadata |= {f'PhysicalSize{axis}': size, f'PhysicalSize{axis}Unit': unit}
    tifffile.imwrite(path, pixels, tile=(128, 128), metadata=metadata, **options)
    return path


def test_a_region_is_the_pixels_of_the_slide(tiffslide, tmp_path, pixels):
    path = write(tmp_path / 'a.ome.tif', pixels, photometric='rgb')
    (item,) = list_items([str(path)])
    assert (item.kind, item.size, item.name) == ('slide', (500, 300), str(path))
    np.testing.assert_array_equal(item.read_region(100, 30, 257, 200), pixels[30:230, 100:357, ::-1])
    np.testing.assert_array_equal(item.read(), pixels[..., ::-1])


@pytest.mark.parametrize(('um', 'unit', 'expected'), [
    ((0.25, 0.5), 'µm', (0.25, 0.5)), ((250, 500), 'nm', (0.25, 0.5)), (None, '', None),
])  # fmt: skip
def test_micrometres_a_pixel_are_those_of_the_file(tiffslide, tmp_path, pixels, um, unit, expected):
    path = write(tmp_path / 'a.ome.tif', pixels, um, unit, photometric='rgb')
    found = next(iter(list_items([str(path)]))).micrometres
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize('suffix', ['svs', 'ndpi'])
def test_files_of_the_layout_of_scanners_are_slides(tiffslide, tmp_path, suffix):
    from slide_files import write_ndpi, write_svs

    coarse = np.random.default_rng(0).integers(0, 255, (12, 20, 3), np.uint8)
    pixels = cv2.resize(coarse, (500, 300), interpolation=cv2.INTER_CUBIC)
    path = dict(svs=write_svs, ndpi=write_ndpi)[suffix](tmp_path / f'a.{suffix}', pixels, um=0.5)
    (item,) = list_items([str(path)])
    assert (item.kind, item.size) == ('slide', (500, 300)) and item.micrometres == pytest.approx((0.5, 0.5))
    region = item.read_region(100, 30, 257, 200).astype(int)
    assert np.abs(region - pixels[30:230, 100:357, ::-1]).mean() < 2  # JPEG


def test_grey_slides_have_three_equal_channels(tiffslide, tmp_path, pixels):
    path = write(tmp_path / 'a.ome.tif', pixels[..., 0])
    region = Slide(path).read_region(3, 4, 50, 60)
    assert region.shape == (60, 50, 3)
    np.testing.assert_array_equal(region, np.repeat(pixels[4:64, 3:53, :1], 3, 2))


def test_what_is_no_region_or_no_slide_is_one_line(tiffslide, tmp_path, pixels):
    slide = Slide(write(tmp_path / 'a.ome.tif', pixels, photometric='rgb'))
    for region in ((-1, 0, 5, 5), (490, 0, 11, 5), (0, 0, 0, 5)):
        with pytest.raises(ImageError, match='a.ome.tif: region'):
            slide.read_region(*region)
    with pytest.raises(ImageError, match='pixels are uint16'):
        Slide(write(tmp_path / 'b.ome.tif', pixels.astype(np.uint16), photometric='rgb')).read_region(0, 0, 5, 5)
    (tmp_path / 'c.svs').write_bytes(b'no slide')
    (item,) = list_items([str(tmp_path / 'c.svs')])
    with pytest.raises(ImageError, match='c.svs: not a slide'):
        item.read()


def test_an_untiled_ome_tiff_is_a_picture(tmp_path, pixels):
    path = tmp_path / 'a.ome.tif'
    tifffile.imwrite(path, pixels, photometric='rgb', metadata={'axes': 'YXS'})
    (item,) = list_items([str(path)])
    assert (item.kind, item.size) == ('image', (500, 300))


def test_without_the_extra_the_line_names_it(tmp_path, pixels, monkeypatch):
    path = write(tmp_path / 'a.ome.tif', pixels, photometric='rgb')
    monkeypatch.setitem(sys.modules, 'tiffslide', None)
    with pytest.raises(ImageError, match=r"a.ome.tif: a whole slide; to read it: pip install 'detplug\[slides\]'"):
        Slide(path)
