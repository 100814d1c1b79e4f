"""Each object once: what a detector says of overlapping tiles becomes what it says of the picture.

Two tiles see the same object where their boxes agree in the pixels that both look at. This holds for an object that is
whole in both, for one that a tile's edge cuts, and for one that is larger than a tile. Boxes that agree, at most one of
each tile, are the views of one object; each side of its box comes from a view that no edge cuts there.

T tiles, D detections of all tiles, G objects. Boxes are xyxy in pixels of the picture. The rule is ours.
"""

from typing import NamedTuple

import numpy as np

from detplug.images.box_geometry import area, clip, grown, intersection, iou, paired_intersection
from detplug.images.tile_doubles import AGREEMENT, Pairs, is_double
from detplug.images.tiles import overlapping_tiles

COVERED = 0.7  # share of a cut box that lies in another object: it is a piece of it
EDGE = 0.01  # of a tile's side, at least 1 px: a box that ends so near to the edge is cut by it
SIDES = 4
SIDE_SEEN = 0.02  # of two pairs that agree as well, the one that shares more sides of a box comes first


class Views(NamedTuple):
    """Detections of all tiles: boxes (D, 4) float64, scores (D,), labels (D,), tile (D,) int64 index, cut (D, 4) bool.

    ``cut`` tells of each side of a box whether an edge of its tile inside the picture may have cut the object there.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    tile: np.ndarray
    cut: np.ndarray


class Joined(NamedTuple):
    """Objects of the picture in descending order of score.

    Attributes:
        boxes: (G, 4) float64.
        scores: (G,) the best of the object's views.
        view: (G,) int64, the detection that shows most of the object: label and other fields come from it.
    """

    boxes: np.ndarray
    scores: np.ndarray
    view: np.ndarray


def join_tiles(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    tile: np.ndarray,
    tiles: np.ndarray,
    size: tuple[int, int],
) -> Joined:
    """The objects that detections of overlapping tiles show, each once.

    Args:
        boxes: (D, 4). scores, labels: (D,). tile: (D,) index of the tile each detection was made in.
        tiles: (T, 4) as :func:`detplug.images.tiles.tile_grid` gives them.
        size: (width, height) px of the picture.

    A box that stays cut and mostly lies in a larger one is dropped: it is a piece that did not agree well enough. So
    is the lower score of two objects, of one name or of two, that agree, where no tile reports both or fewer tiles it.
    """
    boxes, tile = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(tile, np.int64)
    scores, labels = np.asarray(scores), np.asarray(labels)
    margin = max(1.0, EDGE * (tiles[:, 2:] - tiles[:, :2]).max())
    inner = np.concatenate([tiles[:, :2] > 0, tiles[:, 2:] < np.array(size)], 1)[tile]
    index = (~_slivers(boxes, tiles[tile], inner, margin)).nonzero()[0]
    cut = inner & (np.abs(boxes - tiles[tile]) <= margin)
    views = Views(*(values[index] for values in (boxes, scores, labels, tile, cut)))
    same, pieces, rivals = _compare_tiles(views, tiles, margin)
    group = _groups(same, views.tile)
    joined, complete = _join_views(views, group)
    kept = ~_is_piece(joined, complete, group, pieces, margin)
    whole = ~views.cut[joined.view].any(1)
    kept &= ~is_double(joined.boxes, joined.scores, kept & whole, group, rivals, views.tile)
    order = kept.nonzero()[0][np.argsort(-joined.scores[kept], kind='stable')]
    return Joined(joined.boxes[order], joined.scores[order], index[joined.view[order]])


def _slivers(boxes: np.ndarray, tiles: np.ndarray, inner: np.ndarray, margin: float) -> np.ndarray:
    """(D,) bool: wholly within ``margin`` px of an edge ``inner`` (D, 4), where the neighbour sees more."""
    beyond = np.concatenate([boxes[:, 2:] - tiles[:, :2], tiles[:, 2:] - boxes[:, :2]], 1)
    return (inner & (beyond <= margin)).any(1)


def _compare_tiles(views: Views, tiles: np.ndarray, margin: float) -> tuple[Pairs, Pairs, Pairs]:
    """Pairs that show one object, whose first may be a piece of the second, that agree; over all pairs of tiles."""
    order = np.argsort(views.tile, kind='stable')
    start = np.searchsorted(views.tile[order], np.arange(len(tiles) + 1))
    filled = np.diff(start) > 0
    empty = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    same, pieces, rivals = [empty], [empty], [empty]
    neighbours = overlapping_tiles(tiles)
    for a, b in neighbours[filled[neighbours].all(1)]:
        region = np.concatenate([np.maximum(tiles[a, :2], tiles[b, :2]), np.minimum(tiles[a, 2:], tiles[b, 2:])])
        first, second = (_inside(order[start[t] : start[t + 1]], views.boxes, region) for t in (a, b))
        if not len(first) or not len(second):
            continue
        agreement = iou(clip(views.boxes[first], region), clip(views.boxes[second], region))
        alike = views.labels[first, None] == views.labels[second]
        row, column = _mutual_best(np.where(alike, agreement, 0))
        sides = (clip(views.boxes[first[row]], region) != region).sum(1)  # a box that fills the region tells nothing
        same.append(Pairs(first[row], second[column], agreement[row, column] + SIDE_SEEN * sides))
        row, column = (agreement >= AGREEMENT).nonzero()
        rivals.append(Pairs(first[row], second[column], agreement[row, column]))
        pieces += [
            _pieces(views, first, second, agreement, alike, margin),
            _pieces(views, second, first, agreement.T, alike.T, margin),
        ]
    return _concatenated(same), _concatenated(pieces), _concatenated(rivals)


def _concatenated(pairs: list[Pairs]) -> Pairs:
    return Pairs(*map(np.concatenate, zip(*pairs, strict=True)))


def _inside(index: np.ndarray, boxes: np.ndarray, region: np.ndarray) -> np.ndarray:
    shown = clip(boxes[index], region)
    return index[(shown[:, 2:] > shown[:, :2]).all(1)]


def _pieces(
    views: Views, first: np.ndarray, second: np.ndarray, agreement: np.ndarray, alike: np.ndarray, margin: float
) -> Pairs:
    """Pairs whose first, cut by its tile, lies in the second or, of another class, agrees with it, which is whole."""
    a, b = views.boxes[first], grown(views.boxes[second], margin)
    covered = intersection(a, b) >= COVERED * area(a)[:, None]
    lower = views.scores[first, None] <= views.scores[second]
    other = ~alike & (agreement >= AGREEMENT) & ~views.cut[second].any(1) & lower
    row, column = (views.cut[first].any(1)[:, None] & ((alike & covered) | other)).nonzero()
    return Pairs(first[row], second[column], agreement[row, column])


def _mutual_best(agreement: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a one-to-one matching: whoever is each other's best is paired, until none agree."""
    left = np.where(agreement >= AGREEMENT, agreement, 0)
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    while left.any():
        column = left.argmax(1)
        row = np.arange(len(left))
        best = (left[row, column] > 0) & (left.argmax(0)[column] == row)
        rows.append(row[best])
        columns.append(column[best])
        left[row[best]] = 0
        left[:, column[best]] = 0
    return np.concatenate(rows), np.concatenate(columns)


def _groups(same: Pairs, tile: np.ndarray) -> np.ndarray:
    """(D,) int64 number of each detection's object, 0 .. G - 1, of which every tile has at most one view."""
    group = _components(same, len(tile))
    doubled = _doubled(group, tile)
    if doubled.any():  # views of two objects got mixed: pair these again, the best agreement first
        mixed = doubled[group]
        inside = mixed[same.first]
        clean = Pairs(*(values[~inside] for values in same))
        group = _components(_concatenated([clean, _untangled(same, inside, tile)]), len(tile))
    return np.unique(group, return_inverse=True)[1]


def _components(same: Pairs, count: int) -> np.ndarray:
    """(D,) the least index of those that each detection is linked with by pairs."""
    group = np.arange(count)
    while True:
        least = np.minimum(group[same.first], group[same.second])
        before = group.copy()
        np.minimum.at(group, same.first, least)
        np.minimum.at(group, same.second, least)
        group = group[group]
        if (group == before).all():
            return group


def _doubled(group: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """(D,) bool of group numbers: a tile has two views in it."""
    pairs, counts = np.unique(np.stack([group, tile], 1), axis=0, return_counts=True)
    doubled = np.zeros(len(group), bool)
    doubled[pairs[counts > 1, 0]] = True
    return doubled


def _untangled(same: Pairs, chosen: np.ndarray, tile: np.ndarray) -> Pairs:
    """Of the ``chosen`` (P,) bool pairs those that, best first, bring no two views of a tile together.

    Each step depends on the one before; such pairs are few.
    """
    members: dict[int, list[int]] = {}
    kept = []
    index = chosen.nonzero()[0]
    for pair in index[np.argsort(-same.agreement[index], kind='stable')]:
        one, other = (members.setdefault(int(x), [int(x)]) for x in (same.first[pair], same.second[pair]))
        if one is other or not {tile[x] for x in one}.isdisjoint(tile[x] for x in other):
            continue
        one += other
        members.update(dict.fromkeys(other, one))
        kept.append(pair)
    return Pairs(*(values[np.array(kept, np.int64)] for values in same))


def _join_views(views: Views, group: np.ndarray) -> tuple[Joined, np.ndarray]:
    """The objects by group number, and whether each has a view of all of its sides (G,)."""
    count = int(group.max(initial=-1)) + 1
    scores = np.zeros(count, views.scores.dtype)
    np.maximum.at(scores, group, views.scores)
    order = np.lexsort((-views.scores, views.cut.sum(1), group))  # the least cut first, of these the best score
    view = order[np.searchsorted(group[order], np.arange(count))]
    boxes = np.empty((count, SIDES))
    complete = np.ones(count, bool)
    for side in range(SIDES):
        seen = order[~views.cut[order, side]]
        outermost = np.full(count, np.inf)
        sign = 1 if side < 2 else -1
        np.minimum.at(outermost, group, sign * views.boxes[:, side])
        boxes[:, side] = sign * outermost
        groups, first = np.unique(group[seen], return_index=True)
        boxes[groups, side] = views.boxes[seen[first], side]
        complete &= np.isin(np.arange(count), groups)
    return Joined(boxes, scores, view), complete


def _is_piece(joined: Joined, complete: np.ndarray, group: np.ndarray, pieces: Pairs, margin: float) -> np.ndarray:
    """(G,) bool: an object that stays cut and lies in a larger one."""
    small, large = group[pieces.first], group[pieces.second]
    a, b = joined.boxes[small], grown(joined.boxes[large], margin)
    shared = paired_intersection(a, b)
    inside = (small != large) & ~complete[small] & (area(joined.boxes[large]) > area(a)) & (shared >= COVERED * area(a))
    piece = np.zeros(len(joined.scores), bool)
    piece[small[inside]] = True
    return piece
