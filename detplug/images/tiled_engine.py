"""An engine that looks at a picture in overlapping tiles and gives each object once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from detplug.errors import UserError
from detplug.images.tile_joining import join_tiles
from detplug.images.tiles import check_tiling, tile_grid


class Regions(Protocol):
    """A picture that is read by regions: a whole slide."""

    size: tuple[int, int]

    def read_region(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """(height, width, 3) uint8 BGR."""


class TiledEngine:
    """The engine inside, run on the tiles of each picture one batch after the other.

    Memory: one batch of tiles and the detections so far, however large a slide is.

    Args:
        engine: as :class:`detplug.runtime.engine.Engine`; its detections have ``boxes``
            (D, 4) xyxy px, ``scores``, ``labels`` (D,) and other fields, one value a detection.
        tile: side of a tile, px of the picture.
        overlap: of neighbours, as a share of ``tile``: above 0 up to 0.5. Objects that are not larger than it are whole
            in some tile; larger ones are joined from their pieces.

    Raises:
        UserError: a tile or an overlap that cannot be, or an engine with fields that are not of one detection each.
    """

    def __init__(self, engine: Any, tile: int, overlap: float) -> None:
        check_tiling(tile, overlap)
        check_overlap(overlap)
        self.engine, self.tile, self.overlap = engine, tile, overlap
        self.names, self.fields, self.device = engine.names, engine.fields, engine.device
        self.window = engine.window
        self.batch = 1  # pictures; each is many images for the engine inside

    def __call__(self, pictures: Sequence[np.ndarray | Regions]) -> list[Any]:
        """Detections of each picture: a (H, W, 3) uint8 BGR array, or a slide that is read by regions."""
        return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: np.ndarray | Regions) -> Any:
        size = picture.shape[1::-1] if isinstance(picture, np.ndarray) else picture.size
        tiles = tile_grid(size, self.tile, self.overlap)
        step = max(1, self.engine.batch)
        parts = []
        for start in range(0, len(tiles), step):
            parts += self.engine([crop(picture, tile) for tile in tiles[start : start + step]])
        return join_detections(parts, tiles, size)


def check_overlap(overlap: float) -> None:
    """Tiles of a detection share pixels, or objects at their edges could not be joined.

    Raises:
        UserError: ``overlap`` is 0.
    """
    if not overlap:
        raise UserError('--overlap 0: objects that an edge cuts could not be joined; such as 0.2')


def crop(picture: np.ndarray | Regions, tile: Sequence[int]) -> np.ndarray:
    """The pixels of ``tile`` (x1, y1, x2, y2), contiguous."""
    x1, y1, x2, y2 = (int(x) for x in tile)
    if isinstance(picture, np.ndarray):
        return np.ascontiguousarray(picture[y1:y2, x1:x2])
    return picture.read_region(x1, y1, x2 - x1, y2 - y1)


def join_detections(parts: Sequence[Any], tiles: np.ndarray, size: tuple[int, int]) -> Any:
    """Detections of the tiles (boxes in pixels of each tile) as those of the picture.

    Raises:
        UserError: they have fields that are not of one detection each.
    """
    for name, value in parts[0].fields.items():
        if not isinstance(value, np.ndarray):
            raise UserError(f'--tile: {name} are of one tile only, those across tiles would be lost; leave --tile out')
    tile = np.repeat(np.arange(len(parts)), [len(part.scores) for part in parts])
    moved = np.concatenate([part.boxes for part in parts]).astype(np.float64) + np.tile(tiles[tile, :2], 2)
    scores, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ('scores', 'labels'))
    joined = join_tiles(moved, scores, labels, tile, tiles, size)
    first = parts[0]
    more = {name: np.concatenate([part.fields[name] for part in parts])[joined.view] for name in first.fields}
    boxes = joined.boxes.astype(first.boxes.dtype)
    return replace(first, boxes=boxes, scores=joined.scores, labels=labels[joined.view], fields=more)
