"""A picture's annotations, cut into those of its tiles.

T tiles, G objects. Boxes are xyxy in pixels.
"""

from typing import Any

import numpy as np

from detplug.errors import UserError
from detplug.images.box_geometry import area, clip
from detplug.images.tiles import tile_grid

MIN_VISIBLE = 0.5  # of what the tile that shows most of an object shows of it


def tile_items(item: dict, tile: int, overlap: float, min_visible: float = MIN_VISIBLE) -> list[dict]:
    """The items of a data set that stand for one picture: one of each tile.

    Args:
        item: img_path, width, height (px) and ``instances``, as mmdet's data sets give them.
        min_visible: an object of which a tile shows less than this share of what the best tile shows of it is an
            ignored region there, neither an object nor background. So an object larger than a tile is learned too.

    Returns:
        Copies of ``item`` with width, height, instances and unknown_instances of each tile, ``tile`` (x1, y1, x2, y2)
        px of the picture, ``tiling``, the ``tile`` and ``overlap`` given, and ``picture_size`` (width, height). A
        picture that one tile holds is ``item`` itself.

    Raises:
        UserError: an item without width and height, or with masks.
    """
    size = item.get('width'), item.get('height')
    if None in size:
        raise UserError(f'{item.get("img_path")}: width, height: not in the annotations, which --tile needs; add them')
    tiles = tile_grid(size, tile, overlap)
    if len(tiles) == 1:
        return [item]
    if any('mask' in instance for instance in item.get('instances', ())):
        raise UserError(f'{item.get("img_path")}: masks are not cut into tiles; train boxes only, or without --tile')
    parts = {
        field: _cut(item[field], tiles, min_visible) for field in ('instances', 'unknown_instances') if field in item
    }
    return [
        dict(
            item,
            width=int(box[2] - box[0]),
            height=int(box[3] - box[1]),
            tile=tuple(int(x) for x in box),
            tiling=(tile, overlap),
            picture_size=size,
            **{field: cut[index] for field, cut in parts.items()},
        )
        for index, box in enumerate(tiles)
    ]


def _cut(instances: list[dict], tiles: np.ndarray, min_visible: float) -> list[list[dict]]:
    boxes = np.array([instance['bbox'] for instance in instances], np.float64).reshape(-1, 4)
    shown = np.array([clip(boxes, box) for box in tiles.astype(np.float64)])  # (T, G, 4)
    visible = np.where(
        (shown[..., 2:] > shown[..., :2]).all(-1), area(shown.reshape(-1, 4)).reshape(shown.shape[:2]), 0
    )
    whole = np.maximum(area(boxes), np.finfo(np.float64).tiny)
    small = visible < min_visible * visible.max(0, initial=0)
    moved = shown - np.tile(tiles[:, None, :2], 2)
    cut: list[list[dict]] = [[] for _ in tiles]
    for index, number in np.argwhere(visible > 0):
        instance = instances[number]
        part: dict[str, Any] = dict(instance, bbox=moved[index, number].tolist())
        part['ignore_flag'] = int(bool(instance.get('ignore_flag', 0)) or bool(small[index, number]))
        if 'area' in instance:
            part['area'] = float(instance['area'] * visible[index, number] / whole[number])
        cut[index].append(part)
    return cut
