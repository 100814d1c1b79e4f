"""Objects of generated layouts, seen through tiles by an oracle: each is given once, with its own box."""

from itertools import permutations

import numpy as np
import pytest
from tile_oracle import Oracle, Truth, layout, misses_and_doubles

from detplug.images.tile_joining import join_tiles
from detplug.images.tiled_engine import TiledEngine
from detplug.images.tiles import tile_grid

SIZE, TILE, OVERLAP = (500, 380), 128, 0.2  # 26 px are shared
EXACT = 0.999  # IoU
KINDS = {  # objects, least and most side in px before a change of ratio, share that touch
    'smaller than the overlap': (30, (4, 16), 0.3),
    'crowded eggs that touch': (30, (6, 20), 0.9),
    'larger than the overlap': (15, (20, 80), 0.4),
    'larger than a tile': (10, (60, 300), 0.2),
}


def seen(truth, *, tile=TILE, overlap=OVERLAP, **oracle):
    return TiledEngine(Oracle(truth, **oracle), tile, overlap)([truth])[0]


@pytest.mark.parametrize('kind', KINDS)
def test_each_object_is_given_once_with_its_own_box(kind):
    count, side, touching = KINDS[kind]
    for seed in range(20):
        truth = layout(np.random.default_rng(seed), SIZE, count, side, touching)
        assert misses_and_doubles(truth, seen(truth), EXACT) == (0, 0), seed


@pytest.mark.parametrize('overlap', [0.1, 0.35, 0.5])
def test_any_overlap_will_do(overlap):
    for seed in range(10):
        truth = layout(np.random.default_rng(seed), SIZE, 20, (5, 40), 0.5)
        assert misses_and_doubles(truth, seen(truth, overlap=overlap), EXACT) == (0, 0), seed


@pytest.mark.parametrize('least', [0.1, 0.5])
def test_a_detector_that_overlooks_pieces_loses_nothing_that_is_whole_somewhere(least):
    for seed in range(10):
        truth = layout(np.random.default_rng(seed), SIZE, 30, (4, 15), 0.5)
        assert misses_and_doubles(truth, seen(truth, least=least), EXACT) == (0, 0), seed


def test_boxes_that_are_not_exact_are_joined_too():
    totals = np.zeros(2, int)
    for seed in range(20):
        truth = layout(np.random.default_rng(seed), SIZE, 30, (8, 24), 0.3)
        totals += misses_and_doubles(truth, seen(truth, jitter=0.5, least=0.1, seed=seed), 0.5)
    assert totals[0] == 0
    assert totals[1] <= 600 * 0.005  # of 600 objects


def test_the_test_sees_what_no_joining_would_do():
    truth = layout(np.random.default_rng(0), SIZE, 30, (6, 20), 0.5)
    tiles = tile_grid(SIZE, TILE, OVERLAP)
    parts = Oracle(truth)([(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in tiles])
    assert sum(len(part.scores) for part in parts) > len(truth.boxes)


def test_objects_of_different_classes_at_one_place_stay():
    corner = np.array([95.0, 95.0, 140.0, 135.0])  # on the seams of four tiles
    truth = Truth(np.stack([corner] * 3), np.arange(3), SIZE)
    detections = seen(truth)
    assert sorted(detections.labels) == [0, 1, 2]
    np.testing.assert_allclose(detections.boxes, truth.boxes, atol=1e-9)


def test_a_piece_that_a_tile_takes_for_another_class_goes_the_whole_object_stays():
    tiles = tile_grid((218, 100), 128, 0.2)
    boxes = np.array([[100.0, 40, 128, 60], [100, 40, 140, 60]])
    joined = join_tiles(boxes, np.array([0.4, 0.9]), np.array([1, 0]), np.array([0, 1]), tiles, (218, 100))
    assert joined.view.tolist() == [1]


def test_a_cut_object_that_the_neighbour_overlooks_is_kept():
    tiles = tile_grid((218, 100), 128, 0.2)
    joined = join_tiles(
        np.array([[60.0, 40, 128, 60]]), np.array([0.4]), np.array([1]), np.array([0]), tiles, (218, 100)
    )
    assert joined.boxes.tolist() == [[60, 40, 128, 60]]


def test_the_order_of_detections_does_not_matter():
    truth = layout(np.random.default_rng(3), (218, 100), 3, (10, 40))
    tiles = tile_grid(truth.size, 128, 0.2)
    parts = Oracle(truth)([(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in tiles])
    tile = np.repeat(np.arange(len(parts)), [len(part.scores) for part in parts])
    boxes = np.concatenate([part.boxes for part in parts]) + np.tile(tiles[tile, :2], 2)
    scores, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ('scores', 'labels'))
    results = set()
    for order in permutations(range(len(tile))):
        order = list(order)
        joined = join_tiles(boxes[order], scores[order], labels[order], tile[order], tiles, truth.size)
        results.add(joined.boxes[np.lexsort(joined.boxes.T)].tobytes())
    assert len(results) == 1


def test_no_detection_in_any_tile():
    joined = join_tiles(np.empty((0, 4)), np.empty(0), np.empty(0), np.empty(0), tile_grid(SIZE, 128, 0.2), SIZE)
    assert joined.boxes.shape == (0, 4) and len(joined.scores) == len(joined.view) == 0


def joined_of(*reports):
    """Objects that remain of two tiles side by side which share 100 px; a report: (tile, box, score, label)."""
    tile, boxes, scores, labels = zip(*reports, strict=True)
    tiles = np.array([[0, 0, 200, 100], [100, 0, 300, 100]])
    joined = join_tiles(np.array(boxes, float), np.array(scores), np.array(labels), np.array(tile), tiles, (300, 100))
    return sorted(zip(joined.scores.tolist(), np.array(labels)[joined.view].tolist(), strict=True), reverse=True)


EGG, SHIFTED = (120, 20, 160, 60), (120, 32, 160, 72)  # IoU .54


def test_a_double_that_one_tile_of_two_makes_is_dropped_and_one_of_both_stays():
    both_see = [(0, EGG, 0.9, 0), (1, EGG, 0.8, 0)]
    assert joined_of(*both_see, (1, SHIFTED, 0.6, 0)) == [(0.9, 0)]
    assert joined_of(*both_see, (1, SHIFTED, 0.6, 1)) == [(0.9, 0)]  # under another name
    assert joined_of(*both_see, (0, SHIFTED, 0.5, 0), (1, SHIFTED, 0.6, 0)) == [(0.9, 0), (0.6, 0)]


def test_two_tiles_that_disagree_about_a_name_give_the_one_with_the_higher_score():
    assert joined_of((0, EGG, 0.7, 0), (1, EGG, 0.8, 1)) == [(0.8, 1)]
    assert joined_of((0, EGG, 0.7, 0), (0, SHIFTED, 0.8, 1)) == [(0.8, 1), (0.7, 0)]  # one tile's own two


def test_objects_that_agree_with_none_stay_however_few_tiles_report_them():
    beside = (120, 62, 160, 98)
    assert joined_of((0, EGG, 0.9, 0), (1, EGG, 0.8, 0), (1, beside, 0.3, 0)) == [(0.9, 0), (0.3, 0)]
