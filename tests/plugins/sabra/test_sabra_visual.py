"""What a head sees: levels by scale, blocks that change nothing, features that come with the boxes."""

import pytest
import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmengine.structures import InstanceData

from detplug.errors import UserError
from plugins.sabra import visual
from plugins.sabra.image_boxes import pad_boxes
from plugins.sabra.visual import BoxFeatures, PairPooling, build_visual

STRIDES = [4, 8, 16]


def boxes_of_all_sizes(count=40):
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2, count, 2, generator=generator) * 200
    side = 4 * 2 ** (torch.rand(2, count, 1, generator=generator) * 6)
    boxes = torch.cat([corner, corner + side], 2)
    detections = [
        InstanceData(bboxes=x, labels=torch.zeros(count, dtype=torch.int64), scores=torch.ones(count)) for x in boxes
    ]
    return pad_boxes(detections, torch.full((2, 2), 500.0))


def maps():
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(2, 6, 512 // x, 512 // x, generator=generator) for x in STRIDES]


def test_regions_of_several_levels_are_those_of_mmdets_extractor():
    pooling = PairPooling(6, STRIDES, [0, 1, 2], dims=4, side=3)
    align = dict(type='RoIAlign', output_size=3, sampling_ratio=2)
    theirs = SingleRoIExtractor(align, out_channels=6, featmap_strides=STRIDES)
    detections, image = boxes_of_all_sizes(), torch.arange(2).repeat_interleave(40)
    boxes = detections.boxes.flatten(0, 1)
    wanted = theirs(maps(), torch.cat([image[:, None].float(), boxes], 1))
    torch.testing.assert_close(pooling._pool(maps(), image, boxes), wanted.flatten(1))
    assert len(pooling.level_of(boxes).unique()) == 3


def test_blocks_change_nothing_and_bound_what_is_pooled_at_once(monkeypatch):
    pooling, detections = PairPooling(6, 8, 1, dims=4, side=3), boxes_of_all_sizes()
    pairs = detections.pairs.nonzero()
    sizes, pool = [], pooling._pool
    monkeypatch.setattr(
        pooling, '_pool', lambda feats, image, boxes: sizes.append(len(boxes)) or pool(feats, image, boxes)
    )
    with torch.no_grad():
        whole = pooling(maps(), detections, pairs)
        assert max(sizes) == len(pairs) == 2 * 40 * 39
        sizes.clear()
        monkeypatch.setattr(visual, 'BLOCK', 100)
        torch.testing.assert_close(pooling(maps(), detections, pairs), whole)
    assert max(sizes) == 100


def test_strides_and_levels_go_together():
    with pytest.raises(UserError, match='one stride for each level'):
        PairPooling(6, [4, 8], 0)


def given(features, unions):
    boxes = torch.tensor([[0.0, 0, 9, 9], [4, 4, 20, 20]])
    extra = dict(features=features) if unions is None else dict(features=features, unions=unions)
    image = InstanceData(bboxes=boxes, labels=torch.zeros(2, dtype=torch.int64), scores=torch.ones(2), **extra)
    return pad_boxes([image, image[:0]], torch.full((2, 2), 30.0))


def test_features_of_boxes_and_unions_are_those_of_the_pair():
    features, unions = torch.rand(2, 5), torch.rand(2, 2, 3)
    net = build_visual(dict(type='BoxFeatures', channels=5, union_channels=3, dims=4))
    seen = net((), given(features, unions), torch.tensor([[0, 1, 0]]))
    torch.testing.assert_close(
        seen, torch.cat([net.box(features[1]), net.box(features[0]), net.union(unions[1, 0])])[None]
    )
    assert net.width == seen.shape[1] == 12


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(channels=4), 'channels=4, but the features have 5 numbers'),
        (dict(channels=5, union_channels=3), 'the boxes have no unions'),
    ],
)
def test_features_that_do_not_fit_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        BoxFeatures(**options)((), given(torch.rand(2, 5), None), torch.tensor([[0, 1, 0]]))
