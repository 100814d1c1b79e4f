import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.errors import UserError
from detplug.images.tiles import overlapping_tiles, tile_grid


@given(width=st.integers(1, 400), height=st.integers(1, 400), tile=st.integers(32, 150), overlap=st.floats(0, 0.5))
def test_tiles_cover_the_picture_and_neighbours_share_at_least_the_overlap(width, height, tile, overlap):
    tiles = tile_grid((width, height), tile, overlap)
    covered = np.zeros((height, width), bool)
    for x1, y1, x2, y2 in tiles:
        covered[y1:y2, x1:x2] = True
    assert covered.all()
    assert (tiles[:, :2] >= 0).all() and (tiles[:, 2:] <= (width, height)).all()
    assert ((tiles[:, 2:] - tiles[:, :2]) == np.minimum((width, height), tile)).all()
    for axis in (0, 1):
        starts = np.unique(tiles[:, axis])
        assert (np.diff(starts) <= tile - tile * overlap).all()
    shared = int(np.ceil(tile * overlap))
    fewest = [1 if side <= tile else -(-(side - shared) // (tile - shared)) for side in (width, height)]
    assert len(tiles) == np.prod(fewest)


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0, 0.5))
def test_overlapping_tiles_are_those_that_share_pixels(width, height, overlap):
    tiles = tile_grid((width, height), 32, overlap)[:60]
    shared = np.minimum(tiles[:, None, 2:], tiles[None, :, 2:]) > np.maximum(tiles[:, None, :2], tiles[None, :, :2])
    expected = np.argwhere(np.triu(shared.all(2), 1))
    assert sorted(map(tuple, overlapping_tiles(tiles))) == sorted(map(tuple, expected))


@pytest.mark.parametrize('tile', [31, 0, -640, True, 640.0])
def test_a_side_that_is_no_tile_is_refused(tile):
    with pytest.raises(UserError, match='--tile'):
        tile_grid((100, 100), tile, 0.2)


@pytest.mark.parametrize('overlap', [-0.1, 0.51, 640, True, float('nan')])
def test_an_overlap_that_is_no_share_is_refused(overlap):
    with pytest.raises(UserError, match='--overlap'):
        tile_grid((100, 100), 64, overlap)
