"""Which boxes the head gets, and that answers are about the boxes that the data ask about."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import InstanceData
from sabra_detector_cases import BOX, PREDICATES, SHAPE, batch, model, pixels_model, sample

from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError
from detplug.export.graph import GraphDetections
from plugins.sabra.box_selection import BoxLimits, keep_boxes, limit_detections
from plugins.sabra.image_boxes import pad_boxes
from plugins.sabra.relations import NO_OBJECT

with quiet_imports():
    from mmcv.transforms import Compose
    from mmdet.registry import TRANSFORMS

DETECTIONS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=12)
LIMITS = st.builds(BoxLimits, st.integers(1, 6), st.sampled_from([0.0, 0.3]), st.integers(0, 3))


def by_hand(rows, limits):
    """Positions kept: seats of both roles first, then the others, by score."""
    good = [k for k, (score, _) in enumerate(rows) if score >= limits.score_thr]
    reserved = [
        k for k in good if sum(rows[i][1] == rows[k][1] for i in good if i <= k) <= limits.min_per_role
    ]  # fmt: skip
    return sorted((reserved + [k for k in good if k not in reserved])[: limits.max_boxes])


@settings(deadline=None)
@given(DETECTIONS, LIMITS)
def test_seats_for_both_roles_then_the_highest_scores(rows, limits):
    rows = sorted(((score / 20, may) for score, may in rows), key=lambda row: -row[0])
    scores, may = torch.tensor([x for x, _ in rows]), torch.tensor([x for _, x in rows], dtype=torch.bool)
    wanted = by_hand(rows, limits)
    assert keep_boxes(scores, may, limits).nonzero()[:, 0].tolist() == wanted

    count = len(rows)  # the same in a graph, whose rows go on with padding
    padded = InstanceData(bboxes=torch.rand(count, 4), labels=may.long(), scores=scores)
    boxes = pad_boxes([padded, padded[:0]], torch.ones(2, 2))
    detections = GraphDetections(torch.tensor([count, 0]), boxes.boxes, boxes.scores, boxes.labels, boxes.labels)
    chosen = limit_detections(detections, boxes.labels > 0, limits)
    assert chosen.count.tolist() == [len(wanted), 0]
    assert torch.equal(chosen.boxes[0, : len(wanted)], padded.bboxes[wanted])
    assert (chosen.labels[0, len(wanted) :] == -1).all() and not chosen.boxes[1].any() and not chosen.scores[1].any()


def test_32_confident_persons_leave_seats_for_objects():
    boxes, labels = [BOX[0]] * 40 + [BOX[1]], [0] * 40 + [1]
    net = model(subject_labels=[0]).eval()
    one = net.test_step(batch([sample(boxes, labels, scores=[0.9] * 40 + [0.2])]))[0]
    assert one.pred_relations.labels.tolist() == [0] * 31 + [1] and len(one.pred_relations.triplets)


def asked(boxes, labels, scores, pairs):
    case = sample(boxes, labels, scores=scores)
    case.proposal_pairs = InstanceData(indices=torch.tensor(pairs))
    return case


@pytest.mark.parametrize(
    ('count', 'scores', 'pair'),
    [
        (40, None, (35, 36)),  # more boxes than the head takes
        (4, [0.2, 0.9, 0.8, 0.7], (0, 1)),  # in another order than by score
        (4, [0.01, 0.9, 0.8, 0.02], (0, 3)),  # below the threshold
    ],
)
def test_pairs_that_the_data_ask_about_are_answered(count, scores, pair):
    boxes = torch.rand(count, 2, generator=torch.Generator().manual_seed(0)) * 40
    boxes = torch.cat([boxes, boxes + 20], 1)
    net = model().eval()
    samples = [
        asked(boxes.tolist(), [k % 4 for k in range(count)], scores, [pair]),
        asked(BOX, [0, 1, 2, 3], None, [(2, 1)]),
    ]
    first, second = net.test_step(batch(samples))
    for one, own, (subject, object_) in ((first, boxes, pair), (second, torch.tensor(BOX), (2, 1))):
        relations = one.pred_relations
        assert len(relations.triplets) == PREDICATES
        for a, b, _ in relations.triplets:
            torch.testing.assert_close(torch.tensor(relations.boxes[[a, b]]), own[[subject, object_]])


def test_a_metric_of_boxes_may_see_every_detection_and_relations_stay_those_of_the_few():
    few, all_ = (pixels_model(max_boxes=5, score_thr=0.0, all_detections=x).eval() for x in (False, True))
    data = batch([sample(BOX, [0, 1, 2, 3])] * 2, pictures=True)
    with torch.no_grad():
        some, every = few.test_step(data), all_.test_step(data)
        data = all_.data_preprocessor(data)
        alone = all_.detector.predict(data['inputs'], data['data_samples'], rescale=True)
    for own, whole, wanted in zip(some, every, alone, strict=True):
        assert len(own.pred_instances) == 5 < len(whole.pred_instances) == len(wanted.pred_instances)
        order = wanted.pred_instances.scores.argsort(descending=True, stable=True)
        torch.testing.assert_close(whole.pred_instances.bboxes, wanted.pred_instances.bboxes[order])
        ends = [
            [(*r.boxes[s], *r.boxes[o], p) for s, o, p in r.triplets.tolist()]
            for r in (own.pred_relations, whole.pred_relations)
        ]
        assert len(ends[0]) > 20 and ends[0] == ends[1]


def test_a_relation_without_object_keeps_it_so_when_all_detections_are_reported():
    net = model(max_boxes=2, intransitive=True)
    net.all_detections = True
    with torch.no_grad():
        (one,) = net.eval().test_step(batch([sample(BOX, [0, 1, 2, 3], scores=[0.1, 0.9, 0.1, 0.8])]))
    subjects, objects = one.pred_relations.triplets[:, 0], one.pred_relations.triplets[:, 1]
    assert set(subjects.tolist()) <= {0, 1, 2, 3} and NO_OBJECT in objects and len(one.pred_instances) == 4


def test_padding_of_the_input_moves_what_is_pooled_and_nothing_else():
    """A centred letterbox: boxes are of the image, maps of the padded input."""
    net = pixels_model(score_thr=0.0).eval()
    detections = InstanceData(bboxes=torch.tensor(BOX), labels=torch.arange(4), scores=torch.ones(4))
    pooling, maps = net.relation_head.pooling, [torch.rand(1, 32, 20, 20)]
    pairs = torch.tensor([[0, 0, 1], [0, 2, 3]])
    sizes = torch.tensor([SHAPE[::-1]]).float()
    moved = InstanceData(
        bboxes=detections.bboxes + torch.tensor([8.0, 16, 8, 16]), labels=detections.labels, scores=detections.scores
    )
    with torch.no_grad():
        here = pooling(maps, pad_boxes([detections], sizes, torch.tensor([[8.0, 16]])), pairs)
        there = pooling(maps, pad_boxes([moved], sizes), pairs)
        without = pooling(maps, pad_boxes([detections], sizes), pairs)
    torch.testing.assert_close(here, there)
    assert not torch.allclose(here, without)


def test_boxes_of_a_centred_letterbox_are_those_of_the_detector_alone():
    steps = [dict(type='mmdet.LoadImageFromNDArray'), dict(type='Letterbox', scale=(128, 128), fixed=True, centre=True)]
    image = np.random.default_rng(0).integers(0, 255, (100, 60, 3), np.uint8)
    pipeline = Compose([TRANSFORMS.build(x) for x in [*steps, dict(type='PackRelations')]])
    net = pixels_model(score_thr=0.0, all_detections=True).eval()
    item = pipeline(dict(img=image, img_path='', img_id=0))
    assert tuple(item['data_samples'].pad_offset) == (25, 0)
    data = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
    with torch.no_grad():
        (detections,) = net.test_step(data)
        data = net.data_preprocessor(data)
        (wanted,) = net.detector.predict(data['inputs'], data['data_samples'], rescale=True)
    wanted = wanted.pred_instances
    clipped = torch.minimum(wanted.bboxes.clamp(min=0), torch.tensor([60.0, 100, 60, 100]))
    assert len(detections.pred_instances) == len(wanted) > 10
    order = wanted.scores.argsort(descending=True, stable=True)
    torch.testing.assert_close(detections.pred_instances.bboxes, clipped[order], atol=1e-3, rtol=0)


def test_a_graph_has_no_other_boxes_than_the_heads():
    with pytest.raises(UserError, match='all_detections: a graph has the boxes'):
        pixels_model(all_detections=True).check_export()
