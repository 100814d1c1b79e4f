"""Head crops: what of the picture they read, where the object lies, batches with nobody in them, refusals."""

import pytest
import torch
from mmengine.structures import InstanceData
from sabra_detector_cases import DEGENERATE, batch, build, pixels_model, sample

from detplug.errors import UserError
from plugins.sabra.head_crops import HeadCrops, directions, upper_part
from plugins.sabra.image_boxes import pad_boxes


def two_boxes(offset=(0, 0)):
    """A person 40 px high and a thing right of it, of one image."""
    boxes = torch.tensor([[10.0, 10, 30, 50], [40, 30, 60, 50]])
    image = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1]), scores=torch.ones(2))
    return pad_boxes([image], torch.full((1, 2), 64.0), torch.tensor([offset], dtype=torch.float32))


def crops():
    torch.manual_seed(0)
    return HeadCrops(5, [1, 4], dims=4, side=12).eval()


PAIR = torch.tensor([[0, 0, 1]])


def test_only_the_upper_part_of_the_subject_is_read():
    net, image, boxes = crops(), torch.rand(1, 3, 64, 64), two_boxes()
    seen, interactive = net(image, boxes, PAIR)
    assert (
        interactive.shape == (1,)
        and seen.shape == (1, 5)
        and seen.isfinite().all()
        and seen.nonzero()[:, 1].tolist() == [1, 4]
    )
    for rows, columns, changes in ((slice(12, 20), slice(12, 28), True), (slice(26, 64), slice(0, 64), False)):
        other = image.clone()
        other[..., rows, columns] = 0.5
        assert torch.equal(net(other, boxes, PAIR)[0], seen) != changes
    assert upper_part(boxes.boxes[0, 0], 0.5, 0.1).tolist() == [8, 6, 32, 30]


def test_padding_left_and_above_moves_the_crop():
    net, image = crops(), torch.rand(1, 3, 64, 64)
    moved = torch.roll(image, (5, 3), (2, 3))
    for ours, theirs in zip(net(moved, two_boxes(offset=(3, 5)), PAIR), net(image, two_boxes(), PAIR), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_each_pair_has_its_subject_and_the_direction_of_its_object():
    net, image, boxes = crops(), torch.rand(1, 3, 64, 64), two_boxes()
    pairs = torch.tensor([[0, 1, 0], [0, 0, 1], [0, 1, 0]])
    seen = net.inputs(image, boxes, pairs)
    torch.testing.assert_close(seen[1:2], net.inputs(image, boxes, PAIR))
    torch.testing.assert_close(seen[0], seen[2])
    where = directions(boxes.boxes[0, 0], boxes.boxes[0, 1])
    torch.testing.assert_close(where[2:4], torch.tensor([30 / 40, (40 - 15.2) / 40]))
    torch.testing.assert_close(where[:2].norm(), torch.tensor(1.0))
    torch.testing.assert_close(seen[1, 4:20].view(4, 4), seen[1, :4, None] * where[:4])


@pytest.mark.parametrize('name', DEGENERATE)
def test_batches_with_nothing_to_see_stay_finite(name):
    model = pixels_model(head=dict(head_crops=dict(predicates=[4], dims=4, side=12), subject_labels=[0])).train()
    data = model.data_preprocessor(batch([sample(**DEGENERATE[name])] * 2, pictures=True), training=True)
    losses = model(**data, mode='loss')
    total = sum(x for values in losses.values() for x in (values if isinstance(values, list) else [values]))
    total.backward()
    assert total.isfinite()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in model.relation_head.head_crops.parameters())


def test_given_boxes_have_no_picture_to_crop():
    with pytest.raises(UserError, match='head_crops: boxes that are given have no picture'):
        build(dict(head_crops=dict(predicates=[4])))


@pytest.mark.parametrize('predicates', [[], [5], [-1, 0]])
def test_predicates_that_do_not_exist_are_refused(predicates):
    with pytest.raises(UserError, match='head_crops.predicates: .* from 0 to 4'):
        HeadCrops(5, predicates)
