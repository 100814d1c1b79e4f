"""Laws of the transforms of pictures with relations: every relation still joins the boxes it joined."""

import random

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes

from plugins.sabra.relations import NO_OBJECT, relation_image
from plugins.sabra.transforms import MirrorRelations, MosaicRelations, NoisyProposals

NAMES = ('on the left of', 'on the right of', 'near', 'smile')
SIZE = 64


def picture(seed: int) -> dict:
    """A black picture of boxes that do not touch, each of its own grey; relations between random ones, two alone."""
    random_ = np.random.default_rng(seed)
    cells = random_.permutation(16)[:6]
    corner = np.stack([cells % 4, cells // 4], 1) * 16 + random_.integers(2, 4, (6, 2))
    boxes = np.concatenate([corner, corner + random_.integers(8, 12, (6, 2))], 1).astype(np.float32)
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    greys = random_.permutation(np.arange(60, 250))[:6]
    for (x, y, right, bottom), grey in zip(boxes.astype(int), greys, strict=True):
        image[y:bottom, x:right] = grey
    pairs = random_.permutation(30)[:5]
    relations = [(p // 5, (p // 5 + 1 + p % 5) % 6, random_.integers(3)) for p in pairs] + [(0, NO_OBJECT, 3)]
    annotated = random_.random(6) < 0.7
    truth = relation_image(seed, f'{seed}.jpg', (SIZE, SIZE), boxes, random_.integers(4, size=6), relations, annotated)
    return dict(
        img=image, gt_bboxes=boxes, gt_bboxes_labels=truth.labels, gt_ignore_flags=np.zeros(6, bool), img_id=seed,
        relation_truth=truth, predicates=NAMES, greys=greys,
    )  # fmt: skip


def grey_at(image: np.ndarray, box: np.ndarray) -> int:
    """Of the middle of a box, which is seen as far as the picture reaches."""
    x, y = (box[:2] + box[2:]) / 2
    return int(image[int(y), int(x), 0])


def facts(image: np.ndarray, boxes: np.ndarray, truth) -> tuple[list, list]:
    """What must not change: (grey, label, annotated) of each box, (grey, grey, predicate) of each relation."""
    greys = [grey_at(image, box) for box in boxes]
    found = [
        (greys[s], None if o == NO_OBJECT else greys[o], p) for s, o, p in truth.relations.tolist()
    ]  # fmt: skip
    return list(zip(greys, truth.labels.tolist(), truth.annotated.tolist(), strict=True)), found


@pytest.mark.parametrize('seed', range(40))
@pytest.mark.parametrize('mosaic', [False, True])
def test_relations_join_the_same_boxes_after_a_mosaic(seed, mosaic):
    random.seed(seed)
    sources = [picture(4 * seed + k) for k in range(4 if mosaic else 1)]
    before = [facts(x['img'], x['gt_bboxes'], x['relation_truth']) for x in sources]
    results = dict(sources[0], mix_results=[dict(x) for x in sources[1:]])
    transform = MosaicRelations((SIZE, SIZE), zoom=(0.8, 1.4), shift=0.2, min_visible=0.6)
    found = transform.transform(results)
    truth = found['relation_truth']
    assert len(truth.boxes) == len(truth.labels) == len(truth.annotated) == len(found['gt_bboxes'])
    assert np.array_equal(truth.labels, found['gt_bboxes_labels']) and np.array_equal(truth.boxes, found['gt_bboxes'])
    things, relations = facts(found['img'], truth.boxes, truth)
    assert set(things) <= {x for own, _ in before for x in own}
    assert set(relations) <= {x for _, own in before for x in own}
    kept = {grey for grey, *_ in things}
    if not mosaic:  # every relation of boxes that are kept is kept
        assert len(relations) == sum(s in kept and (o is None or o in kept) for s, o, _ in before[0][1])


def test_a_picture_without_boxes_stays_one():
    empty = picture(0)
    empty |= dict(gt_bboxes=np.zeros((0, 4), np.float32), gt_bboxes_labels=np.zeros(0, np.int64))
    empty |= dict(gt_ignore_flags=np.zeros(0, bool), relation_truth=relation_image(0, '0.jpg', (64, 64), [], [], []))
    truth = MosaicRelations((SIZE, SIZE)).transform(empty)['relation_truth']
    assert truth.boxes.shape == (0, 4) and truth.relations.shape == (0, 3) and not len(truth.annotated)


@pytest.mark.parametrize('seed', range(5))
def test_a_mirror_changes_sides_and_nothing_else(seed):
    source = picture(seed)
    mirror = MirrorRelations(1.0, {'on the left of': 'on the right of'})
    once = mirror.transform(dict(source))
    for own, other in zip(
        *(facts(x['img'], x['gt_bboxes'], x['relation_truth'])[1] for x in (source, once)), strict=True
    ):
        assert own[:2] == other[:2] and other[2] == {0: 1, 1: 0}.get(own[2], own[2])
    twice = mirror.transform(dict(once))
    assert np.array_equal(twice['img'], source['img']) and np.array_equal(twice['gt_bboxes'], source['gt_bboxes'])
    assert np.array_equal(twice['relation_truth'].relations, source['relation_truth'].relations)


@pytest.mark.parametrize('seed', range(5))
def test_a_mirror_turns_every_box_also_without_a_picture(seed):
    source = picture(seed)
    pixels = MirrorRelations(1.0).transform(dict(source))
    bare = {key: value for key, value in source.items() if key != 'img'}
    given = source['gt_bboxes'][:3], np.zeros(3, np.int64), np.ones(3, np.float32)
    found = MirrorRelations(1.0).transform(dict(bare, proposals=given))
    wanted = pixels['gt_bboxes']
    assert np.array_equal(found['gt_bboxes'], wanted) and not np.array_equal(wanted, source['gt_bboxes'])
    assert np.array_equal(found['relation_truth'].boxes, wanted)
    assert np.array_equal(pixels['relation_truth'].boxes, wanted)
    assert np.array_equal(found['proposals'][0], wanted[:3]) and found['proposals'][1:] == given[1:]
    noisy = NoisyProposals(4, clean=1.0).transform(found)  # boxes of the truth, made after the mirror
    assert np.array_equal(noisy['proposals'][0], wanted)


def test_boxes_of_mmdet_are_turned_like_arrays():
    source = picture(0)
    boxes = HorizontalBoxes(torch.tensor(source['gt_bboxes']))
    found = MirrorRelations(1.0).transform(dict(source, gt_bboxes=boxes))['gt_bboxes']
    wanted = MirrorRelations(1.0).transform(dict(source))['gt_bboxes']
    np.testing.assert_allclose(found.tensor.numpy(), wanted)
    assert torch.equal(boxes.tensor, torch.tensor(source['gt_bboxes']))
