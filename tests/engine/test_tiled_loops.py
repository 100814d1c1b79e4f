"""Rectangles of one colour on black, and a detector that finds them: whole pictures from tiles."""

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from detplug.engine.tiled_loops import join_samples
from detplug.errors import UserError
from detplug.images.tiles import tile_grid

SIZE = (200, 150)
BOXES = np.array([[10, 10, 40, 30], [50, 50, 90, 80], [5, 90, 190, 120], [100, 5, 112, 145]])  # across the seams


def draw():
    """A class a colour: the crossing bars are objects of their own."""
    picture = np.zeros((SIZE[1], SIZE[0], len(BOXES)), np.uint8)
    for label, (x1, y1, x2, y2) in enumerate(BOXES):
        picture[y1:y2, x1:x2, label] = 1
    return picture


def find(image, fields=()):
    detections = []
    for label in range(image.shape[2]):
        count, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(image[..., label]))
        detections += [(x, y, x + w, y + h, area / 1e5, label) for x, y, w, h, area in stats[1:count]]
    detections = torch.tensor(sorted(detections, key=lambda row: -row[4]), dtype=torch.float32).reshape(-1, 6)
    sample = DetDataSample(metainfo=dict(ori_shape=image.shape[:2], img_id=3))
    sample.pred_instances = InstanceData(
        bboxes=detections[:, :4], scores=detections[:, 4], labels=detections[:, 5].long()
    )
    for name in fields:
        sample.pred_instances[name] = detections[:, 5] * 10
    return sample


@pytest.mark.parametrize('tile', [48, 64, 100, 200])
def test_the_objects_of_the_picture_come_back_whole(tile):
    tiles = tile_grid(SIZE, tile, 0.2)
    picture = draw()
    joined = join_samples([find(picture[y1:y2, x1:x2], ['prior_index']) for x1, y1, x2, y2 in tiles], tiles, SIZE)
    detections = joined.pred_instances
    order = detections.labels.argsort()
    np.testing.assert_array_equal(detections.bboxes[order].numpy(), BOXES)
    np.testing.assert_array_equal(detections.prior_index, detections.labels * 10)
    assert (detections.scores.diff() <= 0).all()
    assert joined.ori_shape == (150, 200) and joined.img_id == 3


def test_a_picture_without_objects():
    tiles = tile_grid(SIZE, 64, 0.2)
    joined = join_samples([find(np.zeros((64, 64, 3), np.uint8)) for _ in tiles], tiles, SIZE)
    assert len(joined.pred_instances) == 0 and joined.pred_instances.bboxes.shape == (0, 4)


def test_what_is_no_box_is_refused():
    sample = find(draw())
    sample.pred_pairs = InstanceData(scores=torch.zeros(3))
    with pytest.raises(UserError, match='--tile: the model predicts pred_pairs, and only boxes are joined'):
        join_samples([sample], tile_grid(SIZE, 200, 0.2), SIZE)


def test_masks_are_refused():
    sample = find(draw())
    sample.pred_instances.masks = torch.zeros(len(BOXES), 4, 4)
    with pytest.raises(UserError, match='--tile: the model predicts masks'):
        join_samples([sample], tile_grid(SIZE, 200, 0.2), SIZE)
