from dataclasses import replace

import numpy as np
import pytest
from tile_oracle import Answer, Oracle, Truth, layout

from detplug.errors import UserError
from detplug.images.tiled_engine import TiledEngine, join_detections
from detplug.images.tiles import tile_grid


def truth_of(count=40, size=(500, 380)):
    return layout(np.random.default_rng(1), size, count, (6, 20))


def test_regions_are_read_one_batch_after_the_other_each_once():
    truth = truth_of()
    oracle = Oracle(truth)
    TiledEngine(oracle, 128, 0.2)([truth])
    tiles = tile_grid(truth.size, 128, 0.2)
    assert truth.reads == [(x1, y1, x2 - x1, y2 - y1) for x1, y1, x2, y2 in tiles.tolist()]
    assert oracle.largest_batch == oracle.batch < len(tiles)


def test_other_fields_follow_their_detections():
    truth = truth_of()
    detections = TiledEngine(Oracle(truth), 128, 0.2)([truth])[0]
    np.testing.assert_allclose(detections.boxes, truth.boxes[detections.fields['number']], atol=1e-9)
    assert (np.diff(detections.scores) <= 0).all()


def test_a_picture_no_larger_than_a_tile_is_given_to_the_engine_as_it_is():
    truth = truth_of(5, (100, 80))
    whole = Oracle(truth)([(0, 0, 100, 80)])[0]
    detections = TiledEngine(Oracle(truth), 128, 0.2)([truth])[0]
    np.testing.assert_array_equal(detections.boxes, whole.boxes)


def test_an_array_is_cut_into_the_tiles_of_its_own_size():
    class Corner:
        names, fields, device, batch, window = ('x',), (), 'cpu', 3, None

        def __call__(self, images):
            assert all(image.shape[2] == 3 and image.flags.c_contiguous for image in images)
            return [
                Answer(np.array([[10.0, 10, 20, 20]]), np.array([image[0, 0, 0] / 255]), np.array([0]))
                for image in images
            ]

    picture = np.zeros((100, 218, 3), np.uint8)
    picture[:, 90:] = 200
    detections = TiledEngine(Corner(), 128, 0.2)([picture, picture[:, :50]])
    np.testing.assert_allclose(detections[0].boxes, [[100, 10, 110, 20], [10, 10, 20, 20]])
    assert len(detections[1].boxes) == 1


def test_overlap_0_and_relations_are_refused():
    with pytest.raises(UserError, match='--overlap 0'):
        TiledEngine(Oracle(truth_of()), 128, 0)
    truth = Truth(np.array([[1.0, 1, 5, 5]]), np.array([0]), (100, 100))
    part = Oracle(truth)([(0, 0, 100, 100)])[0]
    part = replace(part, fields={'relations': object()})
    with pytest.raises(UserError, match='relations'):
        join_detections([part], tile_grid((100, 100), 128, 0.2), (100, 100))
