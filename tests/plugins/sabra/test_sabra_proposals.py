"""Kinds and targets of relation proposals against loops."""

import pytest
import torch
from mmdet.structures.bbox import bbox_overlaps

from plugins.sabra.image_boxes import ImageBoxes
from plugins.sabra.proposals import INVALID, Truth, intransitive_targets, label_proposals, predicate_targets

CLASSES, PREDICATES = 2, 3


def random_case(seed: int):
    """Two images with few places, so that boxes match often; padded."""
    g = torch.Generator().manual_seed(seed)

    def some(most):
        corner = torch.randint(3, (2, most, 2), generator=g).float() * 12
        boxes = torch.cat([corner, corner + 20 + torch.randint(4, (2, most, 2), generator=g)], 2)
        labels = torch.randint(CLASSES, (2, most), generator=g)
        counts = torch.randint(most + 1, (2, 1), generator=g)
        valid = torch.arange(most) < counts
        return ImageBoxes(boxes, labels, torch.rand(2, most, generator=g), valid, torch.full((2, 2), 60.0))

    detections, objects = some(6), some(4)
    rows = []
    for image in range(2):
        count = int(objects.valid[image].sum())
        for _ in range(int(torch.randint(4, (1,), generator=g)) if count else 0):
            subject, object_ = torch.randint(count, (2,), generator=g).tolist()
            alone = torch.rand(1, generator=g).item() < 0.3
            rows.append([image, subject, -1 if alone else object_, int(torch.randint(PREDICATES, (1,), generator=g))])
    relations = torch.tensor(rows, dtype=torch.int64).reshape(-1, 4)
    annotated = torch.rand(2, 4, generator=g) < 0.8
    return detections, Truth(objects, relations, annotated)


def matches_of(detections, truth, image, box, same_class):
    """Objects that a box matches."""
    out = set()
    for k in range(truth.objects.valid.shape[1]):
        if not (detections.valid[image, box] and truth.objects.valid[image, k]):
            continue
        iou = bbox_overlaps(detections.boxes[image, box][None], truth.objects.boxes[image, k][None])[0, 0]
        if iou >= 0.5 and (not same_class or detections.labels[image, box] == truth.objects.labels[image, k]):
            out.add(k)
    return out


@pytest.mark.parametrize('same_class', [True, False])
@pytest.mark.parametrize('seed', range(30))
def test_kinds_and_targets_are_their_definitions(seed, same_class):
    detections, truth = random_case(seed)
    subjects = detections.labels == 0
    labels = label_proposals(detections, truth, same_class=same_class, subjects=subjects)
    pairs = (labels.kinds != INVALID).nonzero()
    targets = predicate_targets(labels, truth, pairs, PREDICATES)
    intransitive = intransitive_targets(labels, truth, PREDICATES)
    rows = [row for row in truth.relations.tolist() if row[2] >= 0 and row[1] != row[2]]
    at = {tuple(p): k for k, p in enumerate(pairs.tolist())}
    for image in range(2):
        related = {k for i, s, o, _ in truth.relations.tolist() if i == image for k in (s, o)}
        matches = [matches_of(detections, truth, image, k, same_class) for k in range(6)]
        for s in range(6):
            wanted = {p for i, a, o, p in truth.relations.tolist() if i == image and o == -1 and a in matches[s]}
            assert set(intransitive[image, s].nonzero().flatten().tolist()) == wanted
            for o in range(6):
                kind = int(labels.kinds[image, s, o])
                annotated = not matches[s] or any(truth.annotated[image, k] for k in matches[s])
                if s == o or not (
                    detections.valid[image, s] and detections.valid[image, o] and subjects[image, s] and annotated
                ):
                    assert kind == INVALID
                    continue
                right = {p for i, a, b, p in rows if i == image and a in matches[s] and b in matches[o]}
                if right:
                    wanted_kind = 0
                elif not matches[s] and not matches[o]:
                    wanted_kind = 1
                elif not matches[o]:
                    wanted_kind = 2
                elif not matches[s]:
                    wanted_kind = 3
                else:
                    wanted_kind = 4 if matches[s] & related and matches[o] & related else 5
                assert kind == wanted_kind
                assert set(targets[at[image, s, o]].nonzero().flatten().tolist()) == right


def two_detections_each(relations):
    """Kinds (4, 4) where boxes 0 and 1 are detections of object 0, boxes 2 and 3 of object 1."""
    objects = torch.tensor([[[0.0, 0, 20, 20], [40, 40, 60, 60]]])
    yes, sizes = torch.ones(1, 4, dtype=torch.bool), torch.full((1, 2), 60.0)
    detections = ImageBoxes(
        objects.repeat_interleave(2, 1), torch.zeros(1, 4, dtype=torch.int64), torch.ones(1, 4), yes, sizes
    )
    true = ImageBoxes(objects, torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2), yes[:, :2], sizes)
    truth = Truth(true, torch.tensor(relations, dtype=torch.int64).reshape(-1, 4), yes[:, :2])
    labels = label_proposals(detections, truth)
    return labels, truth


def test_two_detections_of_an_object_are_not_related_because_it_relates_to_itself():
    labels, truth = two_detections_each([[0, 0, 0, 1]])
    assert labels.kinds[0, 0, 1] == labels.kinds[0, 1, 0] == 4
    assert not predicate_targets(labels, truth, torch.tensor([[0, 0, 1]]), PREDICATES).any()


def test_an_object_in_a_relation_without_object_takes_part_in_one():
    labels, _ = two_detections_each([[0, 0, -1, 1], [0, 1, 1, 0]])
    assert labels.kinds[0, 0, 2] == labels.kinds[0, 2, 0] == 4
    alone, _ = two_detections_each([[0, 0, -1, 1]])
    assert alone.kinds[0, 0, 2] == 5
