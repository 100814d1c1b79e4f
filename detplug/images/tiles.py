"""A picture that is larger than a detector's input is looked at in overlapping tiles.

T tiles, boxes xyxy in pixels of the picture.
"""

from itertools import product

import numpy as np

from detplug.errors import UserError

MAX_OVERLAP = 0.5  # of a tile's side; more would only look at every place more than four times


def tile_grid(size: tuple[int, int], tile: int, overlap: float) -> np.ndarray:
    """Tiles that cover a picture, row by row.

    As few as give neighbours at least the wanted overlap, spread evenly: none is narrower than the others and the
    last one ends at the picture's edge. A side that is not longer than a tile is one tile of its length.

    Args:
        size: (width, height) px of the picture.
        tile: side of a tile, px.
        overlap: least shared part of two neighbours, as a share of ``tile``, 0 to 0.5.

    Returns:
        (T, 4) int64 xyxy.

    Raises:
        UserError: see :func:`check_tiling`.
    """
    check_tiling(tile, overlap)
    spans = [_spans(int(side), tile, overlap) for side in size]
    return np.array([(x1, y1, x2, y2) for (y1, y2), (x1, x2) in product(spans[1], spans[0])], np.int64)


def check_tiling(tile: int, overlap: float) -> None:
    """Refuse what cannot be a tile.

    Raises:
        UserError: ``tile`` is no whole number of at least 32 px, or ``overlap`` is not from 0 to 0.5.
    """
    if isinstance(tile, bool) or not isinstance(tile, int) or tile < 32:
        raise UserError(f'--tile {tile}: the side of a tile is a whole number of at least 32 px; such as 640')
    if isinstance(overlap, bool) or not isinstance(overlap, int | float) or not 0 <= overlap <= MAX_OVERLAP:
        raise UserError(f'--overlap {overlap}: a share of the tile from 0 to {MAX_OVERLAP}; such as 0.2')


def _spans(length: int, tile: int, overlap: float) -> list[tuple[int, int]]:
    if length <= tile:
        return [(0, length)]
    shared = int(np.ceil(tile * overlap))
    count = -(-(length - shared) // (tile - shared))
    starts = np.linspace(0, length - tile, count).astype(np.int64)  # rounded down: never less overlap than a step
    return [(int(start), int(start) + tile) for start in starts]


def overlapping_tiles(tiles: np.ndarray) -> np.ndarray:
    """(P, 2) int64 index of the tiles that share pixels, first < second.

    Args:
        tiles: (T, 4) xyxy, by ascending y1 as :func:`tile_grid` gives them.
    """
    last = np.searchsorted(tiles[:, 1], tiles[:, 3], side='left')  # tiles that begin above the bottom edge
    pairs = [np.empty((0, 2), np.int64)]
    for first, end in enumerate(last):
        others = np.arange(first + 1, end)
        shared = np.minimum(tiles[first, 2:], tiles[others, 2:]) > np.maximum(tiles[first, :2], tiles[others, :2])
        others = others[shared.all(1)]
        pairs.append(np.stack([np.full_like(others, first), others], 1))
    return np.concatenate(pairs)
