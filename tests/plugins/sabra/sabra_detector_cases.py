"""Small relation detectors, with given boxes and on pictures, and batches with nothing or too much to learn."""

import torch
from mmengine.structures import InstanceData

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmengine.registry import init_default_scope

import plugins.sabra.register  # noqa: F401
import plugins.yolov5.register  # noqa: F401

CLASSES, PREDICATES = 4, 5
CHANNELS = [32, 64, 128]
SHAPE = (100, 120)  # height and width of a picture in px
VISUAL = dict(channels=CHANNELS[0], stride=8, dims=8, side=3)  # of a head that sees the maps


def model(max_boxes=32, **head):
    """A RelationDetector of given boxes, its head changed by ``head``."""
    return build(head, max_boxes=max_boxes)


def pixels_model(head=None, **kwargs):
    """A RelationDetector on a YOLOv5 of width 1/8 that learns with it; ``kwargs`` are its own arguments."""
    test_cfg = dict(score_thr=0.001, nms=dict(type='nms', iou_threshold=0.6), max_per_img=300, multi_label=True)
    detector = dict(
        type='SingleStageDetector',
        backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.125),
        neck=dict(type='YOLOv5Neck', depth=0.33, in_channels=CHANNELS),
        bbox_head=dict(type='YOLOv5Head', num_classes=CLASSES, in_channels=CHANNELS),
        test_cfg=test_cfg,
    )
    preprocessor = dict(type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3, pad_size_divisor=32)
    head = dict(visual=VISUAL, **(head or {}))
    return build(head, detector=detector, frozen=False, data_preprocessor=preprocessor, **kwargs)


def build(head, **kwargs):
    """A RelationDetector with seeded weights."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    base = dict(
        type='RelationHead',
        predicates=PREDICATES,
        object_kinds=[0, 1, 1, 1],
        graph=dict(dims=16, heads=2, class_width=4),
        dims=16,
        class_width=4,
        sampler=dict(type='BalancedNegativeSampler', num_pairs=8, pos_fraction=0.5),
    )
    return MODELS.build(dict(type='RelationDetector', head=base | head, **kwargs))


def sample(boxes, labels, relations=(), scores=None, truth=None):
    """A sample whose proposals are ``boxes``; the truth is the same unless ``truth`` = (boxes, labels)."""
    boxes, labels = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(labels, dtype=torch.int64)
    out = DetDataSample(metainfo=dict(img_shape=SHAPE, ori_shape=SHAPE, scale_factor=(1.0, 1.0)))
    scores = torch.ones(len(labels)) if scores is None else torch.tensor(scores)
    out.proposals = InstanceData(bboxes=boxes, labels=labels, scores=scores)
    if truth is not None:
        boxes = torch.tensor(truth[0], dtype=torch.float32).reshape(-1, 4)
        labels = torch.tensor(truth[1], dtype=torch.int64)
    out.gt_instances = InstanceData(bboxes=boxes, labels=labels, annotated=torch.ones(len(labels), dtype=torch.bool))
    out.gt_relations = InstanceData(triplets=torch.tensor(relations, dtype=torch.int64).reshape(-1, 3))
    return out


BOX = [[10.0, 10, 40, 90], [30, 40, 80, 90], [5, 5, 20, 20], [60, 10, 110, 60]]
USUAL = dict(boxes=BOX, labels=[0, 1, 2, 3], relations=[(0, 1, 2), (0, 3, 4), (2, 0, 1)])
DEGENERATE = {
    'no box at all': dict(boxes=[], labels=[]),
    'one box': dict(boxes=BOX[:1], labels=[0]),
    'no relation': dict(boxes=BOX, labels=[0, 1, 2, 3]),
    'no person': dict(boxes=BOX, labels=[1, 1, 2, 3], relations=[(0, 1, 2)]),
    'all persons': dict(boxes=BOX, labels=[0] * 4, relations=[(0, 1, 2)]),
    'boxes of zero size': dict(boxes=[[5.0, 5, 5, 5], [0, 0, 0, 0], *BOX], labels=[0, 1, 0, 1, 2, 3]),
    'nothing was found': dict(boxes=[], labels=[], relations=[(0, 1, 2)], truth=(BOX, [0, 1, 2, 3])),
    'scores of zero': dict(boxes=BOX, labels=[0, 1, 2, 3], relations=[(0, 1, 2)], scores=[0.06, 0.06, 1e-8, 1.0]),
    'a box with itself': dict(boxes=BOX, labels=[0, 1, 2, 3], relations=[(1, 1, 0)]),
    'related boxes of zero size': dict(
        boxes=[[5.0, 5, 5, 5], [0, 0, 0, 0], *BOX], labels=[0, 1, 0, 1, 2, 3], relations=[(0, 1, 2), (2, 1, 0)]
    ),
    '300 boxes': dict(boxes=BOX * 75, labels=[0, 1, 2, 3] * 75, relations=[(0, 1, 2)]),
}
DETECTOR_LIMITS = {  # arguments of pixels_model: how many boxes the head gets from the detector
    'found and true boxes': {},
    'nothing is found': dict(score_thr=1.1, with_truth=False),
    'one box is found': dict(score_thr=0.0, max_boxes=1, with_truth=False),
}


def batch(samples, pictures=False):
    """What a data loader gives: the samples; with noise as their pictures and no proposals, or without pictures."""
    generator = torch.Generator().manual_seed(0)
    shape = (3, *SHAPE) if pictures else (0,)
    if pictures:
        samples = [x.clone() for x in samples]
        for x in samples:
            x.pop('proposals', None)
    inputs = [torch.randint(256, shape, dtype=torch.uint8, generator=generator) for _ in samples]
    return dict(inputs=inputs, data_samples=samples)


def assert_valid(predicted):
    """Boxes and relations of a predicted sample are what they are documented to be."""
    boxes, relations = predicted.pred_instances, predicted.pred_relations
    assert boxes.bboxes.isfinite().all() and len(relations.boxes) == len(boxes)
    assert len(relations.triplets) == len(relations.triplet_scores)
    assert ((relations.triplet_scores > 0) & (relations.triplet_scores <= 1)).all()
    assert (relations.triplets[:, :2] < max(len(relations.boxes), 1)).all()
    assert (relations.triplets[:, 0] != relations.triplets[:, 1]).all()
    assert ((relations.triplets[:, 2] >= 0) & (relations.triplets[:, 2] < PREDICATES)).all()
