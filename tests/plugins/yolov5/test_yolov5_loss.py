"""The loss and its gradient equal a plain loop over levels and positives; ignored boxes silence objectness."""

import pytest
import torch
from tiny_yolov5 import random_boxes
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from plugins.yolov5.assigner import assign
from plugins.yolov5.box_coding import decode
from plugins.yolov5.ciou import complete_iou
from plugins.yolov5.head import ANCHORS
from plugins.yolov5.loss import ImageBoxes, YOLOv5Loss, balanced_entropy
from plugins.yolov5.sparse_gradients import ClassEntropy, GatherPredictions

STRIDES, SIDE, CLASSES, IMAGES = (8, 16, 32), 64, 4, 2
SIZES = torch.tensor(ANCHORS, dtype=torch.float64)
NOTHING = ImageBoxes(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).long())


def outputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(IMAGES, 3 * (5 + CLASSES), SIDE // s, SIDE // s, generator=generator).requires_grad_()
        for s in STRIDES
    ]


def truth(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return ImageBoxes(
        random_boxes(count, generator),
        torch.randint(0, IMAGES, (count,), generator=generator),
        torch.randint(0, CLASSES, (count,), generator=generator),
    )


def silent(x, y, image, ignored):
    return any(
        n == image and x1 <= x <= x2 and y1 <= y <= y2
        for n, (x1, y1, x2, y2) in zip(ignored.images.tolist(), ignored.boxes.tolist(), strict=True)
    )


def plain_loss(maps, truth_boxes, ignored, smoothing=0.0):
    """The three terms of the notes, one level, one positive, one cell at a time."""
    box = obj = cls = 0
    for raw, anchors, stride, weight in zip(maps, SIZES.float(), STRIDES, (4.0, 1.0, 0.4), strict=True):
        raw = raw.view(IMAGES, 3, 5 + CLASSES, *raw.shape[2:])
        x1, y1, x2, y2 = (truth_boxes.boxes / stride).unbind(1)
        centred = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
        positives = assign(centred, anchors / stride, raw.shape[3:])
        boxes, entropies, wanted = [], [], {}
        for b, a, row, column in zip(*(v.tolist() for v in positives), strict=True):
            n = truth_boxes.images[b].item()
            values = raw[n, a, :, row, column]
            decoded = decode(values[:4], torch.tensor([column, row]), anchors[a], stride)
            iou = complete_iou(decoded[None], truth_boxes.boxes[b][None])[0]
            boxes.append(1 - iou)
            target = torch.full((CLASSES,), smoothing / 2)
            target[truth_boxes.labels[b]] = 1 - smoothing / 2
            entropies.append(bce(values[5:], target))
            wanted[n, a, row, column] = max(wanted.get((n, a, row, column), 0.0), iou.item())
        box = box + sum(boxes) / max(len(boxes), 1)
        cls = cls + sum(entropies) / max(len(boxes), 1)
        total = 0
        for n, a, row, column in torch.cartesian_prod(*(torch.arange(raw.shape[i]) for i in (0, 1, 3, 4))).tolist():
            place = n, a, row, column
            if place in wanted or not silent((column + 0.5) * stride, (row + 0.5) * stride, n, ignored):
                total = total + bce(raw[n, a, 4, row, column], torch.tensor(wanted.get(place, 0.0)))
        obj = obj + weight * total / raw[:, :, 4].numel()
    return dict(
        loss_box=box * 0.05 * IMAGES,
        loss_obj=obj * (SIDE / 640) ** 2 * IMAGES,
        loss_cls=cls * 0.5 * CLASSES / 80 * IMAGES,
    )


@pytest.mark.parametrize(('count', 'covered', 'smoothing'), [(0, 0, 0.0), (8, 0, 0.0), (12, 3, 0.0), (5, 1, 0.1)])
def test_loss_and_gradient_equal_a_plain_loop(count, covered, smoothing):
    truth_boxes, ignored = truth(count), truth(covered, seed=1)
    maps, copies = outputs(), outputs()
    losses = YOLOv5Loss(label_smoothing=smoothing)(maps, SIZES.float(), STRIDES, truth_boxes, ignored)
    wanted = plain_loss(copies, truth_boxes, ignored, smoothing)
    for name, value in losses.items():
        torch.testing.assert_close(value, torch.as_tensor(wanted[name], dtype=torch.float32), msg=name)
    sum(losses.values()).backward()
    sum(wanted.values()).backward()
    for one, other in zip(maps, copies, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_gains_scale_their_own_term():
    truth_boxes = truth(6)
    plain, scaled = (
        YOLOv5Loss(**gains)(outputs(), SIZES.float(), STRIDES, truth_boxes, NOTHING)
        for gains in ({}, dict(box_weight=0.1, obj_weight=3.0, cls_weight=2.0))
    )
    for name, factor in (('loss_box', 2.0), ('loss_obj', 3.0), ('loss_cls', 4.0)):
        torch.testing.assert_close(scaled[name], plain[name] * factor)


def test_objectness_inside_an_ignored_box_has_no_gradient():
    maps = outputs()
    everywhere = ImageBoxes(torch.tensor([[0.0, 0.0, SIDE, SIDE]]), torch.tensor([1]), torch.tensor([0]))
    sum(YOLOv5Loss()(maps, SIZES.float(), STRIDES, NOTHING, everywhere).values()).backward()
    for raw in maps:
        grad = raw.grad.view(IMAGES, 3, 5 + CLASSES, *raw.shape[2:])[:, :, 4]
        assert (grad[0] != 0).all()
        assert (grad[1] == 0).all()


def test_loss_grows_with_the_batch_and_not_with_its_composition():
    maps, truth_boxes = outputs(), truth(6)
    twice = [torch.cat([raw, raw]) for raw in maps]
    doubled = ImageBoxes(
        torch.cat([truth_boxes.boxes] * 2),
        torch.cat([truth_boxes.images, truth_boxes.images + IMAGES]),
        torch.cat([truth_boxes.labels] * 2),
    )
    once = YOLOv5Loss()(maps, SIZES.float(), STRIDES, truth_boxes, NOTHING)
    both = YOLOv5Loss()(twice, SIZES.float(), STRIDES, doubled, NOTHING)
    for name in once:
        torch.testing.assert_close(both[name], 2 * once[name])


def test_gradients_of_the_sparse_expressions_are_right():
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(2, 1, 8, 2, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    positives = [torch.tensor(x) for x in ([0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 1])]  # the last one twice
    assert torch.autograd.gradcheck(lambda x: GatherPredictions.apply(x, *positives), raw)
    logits = torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    labels = torch.tensor([0, 3, 1])
    for smoothing in (0.0, 0.2):
        assert torch.autograd.gradcheck(lambda x, s=smoothing: ClassEntropy.apply(x, labels, s), logits)


def test_weights_scale_class_and_objectness_but_not_the_box():
    maps, truth_boxes = outputs(), truth(12)
    losses = {
        w: YOLOv5Loss()(
            maps,
            SIZES.float(),
            STRIDES,
            truth_boxes._replace(weights=torch.full((len(truth_boxes.boxes),), w)),
            NOTHING,
        )
        for w in (0.0, 0.25, 1.0)
    }
    plain = YOLOv5Loss()(maps, SIZES.float(), STRIDES, truth_boxes, NOTHING)
    none = YOLOv5Loss()(
        maps, SIZES.float(), STRIDES, truth_boxes, truth_boxes
    )  # ignored regions: no loss in any other cell there
    assert losses[1.0] == plain and all(x['loss_box'] == plain['loss_box'] for x in losses.values())
    torch.testing.assert_close(losses[0.25]['loss_cls'], plain['loss_cls'] / 4)
    assert losses[0.0]['loss_cls'] == 0 and none['loss_obj'] < plain['loss_obj']
    obj = {w: x['loss_obj'] for w, x in losses.items()}
    torch.testing.assert_close(obj[0.25], obj[0.0] + (obj[1.0] - obj[0.0]) / 4)
    assert obj[0.0] < obj[1.0]


def test_of_boxes_that_share_an_anchor_the_largest_weight_counts():
    maps, one = outputs(), truth(1)
    twice = one._replace(
        **{name: torch.cat([getattr(one, name)] * 2) for name in ('boxes', 'images', 'labels')},
        weights=torch.tensor([0.2, 0.7]),
    )
    once = one._replace(weights=torch.tensor([0.7]))
    first, second = (YOLOv5Loss()(maps, SIZES.float(), STRIDES, x, NOTHING)['loss_obj'] for x in (twice, once))
    torch.testing.assert_close(first, second)


def test_the_balanced_column_by_hand():
    x, labels = torch.tensor([2.0, -1.0, 0.5, 3.0]), torch.tensor([3, 0, 1, 3])
    shift = torch.tensor(0.1 / 0.9).log()
    wanted = (bce(x[[0, 3]] - shift, torch.ones(2)) + bce(x[[1, 2]] - shift, torch.zeros(2))) / 2
    torch.testing.assert_close(balanced_entropy(x, labels, None, 3, 0.1), wanted)
    torch.testing.assert_close(balanced_entropy(x, labels, torch.full((4,), 0.5), 3, 0.1), wanted)
    for missing in (2, 3):  # no positive; no negative
        assert balanced_entropy(x[[0, 3]], labels[[0, 3]], None, missing, 0.1) == 0


def test_a_rare_class_is_learned_at_its_prior_only_if_it_is_balanced():
    """The logit of a class of 1 object in 200 whose features tell nothing: sigmoid of it is the prior."""
    labels, prior = torch.cat([torch.full((1,), 3), torch.zeros(199, dtype=torch.long)]), 0.2
    logit = torch.zeros(1, requires_grad=True)
    for _ in range(2000):
        (grad,) = torch.autograd.grad(balanced_entropy(logit.expand(200), labels, None, 3, prior), logit)
        logit.data -= grad
    assert float(logit.sigmoid()) == pytest.approx(prior, abs=1e-3)


def test_the_other_columns_of_a_balanced_loss_are_the_plain_ones():
    maps, truth_boxes = outputs(), truth(12)
    criterion = YOLOv5Loss(balanced=dict(label=3, prior=0.1))
    plain, balanced = (
        torch.autograd.grad(x(maps, SIZES.float(), STRIDES, truth_boxes, NOTHING)['loss_cls'], maps)
        for x in (YOLOv5Loss(), criterion)
    )
    own = 5 + 3 + (5 + CLASSES) * torch.arange(3)
    others = [k for k in range(maps[0].shape[1]) if k not in own]
    for one, other in zip(plain, balanced, strict=True):
        torch.testing.assert_close(one[:, others], other[:, others])
        assert not torch.allclose(one[:, own], other[:, own]) or not one[:, own].any()
