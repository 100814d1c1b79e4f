"""The exported graph tells the relations that the torch model tells, pooled features and all; torch-free results."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
import pytest
import strided_convs  # noqa: F401
import torch

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmengine.registry import init_default_scope

import plugins.sabra.register  # noqa: F401
import plugins.yolov5.register  # noqa: F401
from detplug.errors import UserError
from detplug.export.compare import Agreement
from detplug.export.graph import DETECTIONS, check_exportable, write_graph
from detplug.runtime.detections import Detections
from plugins.sabra.image_boxes import ImageBoxes
from plugins.sabra.relation_field import Relations, relations_of
from plugins.sabra.result_fields import make

SIDE, CHANNELS, PREDICATES = 64, [32, 64, 128], ('ride', 'hold', 'see')


VISUAL = dict(channels=CHANNELS[0], stride=8, dims=8, side=3)
CROPS = dict(predicates=[2], dims=4, side=12)


def sabra_head(visual: bool, intransitive: bool) -> dict:
    return dict(
        type='RelationHead',
        predicates=3,
        object_kinds=[0, 0, 1, 1],
        subject_labels=[0, 1],
        intransitive=intransitive,
        graph=dict(dims=16, heads=2, class_width=4),
        dims=16,
        class_width=4,
        visual=VISUAL if visual else None,
        sampler=dict(type='UniformSampler'),
    )


def upt_head(visual: bool, subjects: Sequence[int] = (0, 1)) -> dict:
    rules = dict(predicates=3, object_classes=4, subject_labels=list(subjects), power=1.0)
    return dict(type='UPTHead', **rules, dims=16, heads=2, visual=VISUAL if visual else None)


def build(head: dict, seed: int = 0, **options):
    """A relation detector on YOLOv5's head whose boxes and scores are of all sizes, random."""
    init_default_scope('mmdet')
    torch.manual_seed(seed)
    model = MODELS.build(
        dict(
            type='RelationDetector',
            max_boxes=12,
            score_thr=0.01,
            detector=dict(
                type='SingleStageDetector',
                backbone=dict(type='StridedConvs', channels=CHANNELS),
                bbox_head=dict(type='YOLOv5Head', num_classes=4, in_channels=CHANNELS),
                test_cfg=dict(
                    score_thr=0.001, nms=dict(type='nms', iou_threshold=0.6), max_per_img=300, multi_label=True
                ),
            ),
            head=head,
            **options,
        )
    )
    images = torch.rand(16, 3, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    with torch.no_grad():
        for module in model.detector.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.detector.train().extract_feat(images)
        for conv in model.bbox_head.convs:
            conv.weight.normal_(0, 0.3)
            conv.bias.normal_(0, 1)
        last, spread = getattr(model.relation_head, 'to_predicates', None), 2
        if last is None:
            last, spread = model.relation_head.classify, 0.3  # its inputs are normed
        last.weight.normal_(0, spread)
        last.bias.zero_()
    model.dataset_meta = dict(classes=('a', 'b', 'c', 'd'), predicates=PREDICATES)
    return model.eval(), images[:1]


@pytest.mark.parametrize(
    ('head', 'size'),
    [
        (sabra_head(visual=False, intransitive=True), (64, 64)),
        (sabra_head(visual=True, intransitive=False), (64, 40)),
        (sabra_head(visual=True, intransitive=True), (50, 64)),
        (
            sabra_head(visual=True, intransitive=False) | dict(head_crops=dict(predicates=[2], dims=4, side=12)),
            (64, 40),
        ),
        (upt_head(visual=True), (64, 40)),
    ],
)
def test_the_graph_predicts_what_torch_predicts(tmp_path, head, size):
    model, image = build(head)
    intransitive = head.get('intransitive', False)
    names = write_graph(model, tmp_path / 'model.onnx', SIDE)
    assert names == [*DETECTIONS, 'relation_scores', *(['intransitive_scores'] if intransitive else [])]
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    feed = dict(images=image.numpy(), image_sizes=np.array([size], np.float32))
    count, boxes, scores, labels, *more = session.run(None, feed)
    meta = dict(img_shape=size[::-1], ori_shape=size[::-1], scale_factor=(1.0, 1.0))
    with torch.no_grad():
        sample = model.predict(image, [DetDataSample(metainfo=meta)])[0]
    torch_detections, torch_relations = sample.pred_instances.numpy(), sample.pred_relations
    n = count[0]
    assert n == len(torch_detections) == 12
    relations = relations_of(more[0][0, :n, :n], more[1][0, :n] if intransitive else None, PREDICATES)
    ours = Detections(boxes[0, :n].clip(0, size * 2), scores[0, :n], labels[0, :n], (), {'relations': relations})
    expected = Relations(torch_relations.triplets, torch_relations.triplet_scores, PREDICATES)
    there = Detections(
        torch_detections.bboxes, torch_detections.scores, torch_detections.labels, (), {'relations': expected}
    )
    agreement = Agreement()
    agreement.add(there, ours, 0.01, 12)
    assert agreement.passed and agreement.boxes == 12, agreement
    assert len(relations) == len(expected) > 20
    assert (relations.triplets[:, 1] == -1).any() == intransitive
    assert relations.scores.std() > 1e-3


def test_a_difference_of_relations_is_a_failure():
    found = Detections(np.array([[0.0, 0, 9, 9], [20, 20, 30, 30]]), np.ones(2), np.zeros(2, int), ('a',))

    def with_score(score):
        relations = Relations(np.array([[0, 1, 0], [1, -1, 1]]), np.array([0.5, score], np.float32), ('x', 'y'))
        return Detections(found.boxes, found.scores, found.labels, found.names, {'relations': relations})

    same, other = Agreement(), Agreement()
    same.add(with_score(0.4), with_score(0.4), 0.1, 100)
    other.add(with_score(0.4), with_score(0.3), 0.1, 100)
    assert same.passed and not other.passed


def test_relations_follow_the_detections_that_are_kept():
    relations = Relations(
        np.array([[0, 2, 0], [1, 2, 0], [2, -1, 1]]), np.array([0.9, 0.8, 0.7], np.float32), ('x', 'y')
    )
    boxes = np.zeros((3, 4), np.float32)
    fields = {'relations': relations}
    found = Detections(boxes, np.array([0.9, 0.1, 0.8]), np.arange(3), ('a', 'b', 'c'), fields).above(0.5)
    assert found.fields['relations'].triplets.tolist() == [[0, 1, 0], [1, -1, 1]]
    assert found.fields['relations'].above(0.8).triplets.tolist() == [[0, 1, 0]]
    assert relations.dense(3)[2, 3, 1] == np.float32(0.7)
    again = relations_of(relations.dense(3)[:, :3], relations.dense(3)[:, 3], ('x', 'y'))
    np.testing.assert_array_equal(again.triplets, relations.triplets)


def test_nothing_found_tells_nothing():
    empty = relations_of(np.zeros((0, 0, 2), np.float32), np.zeros((0, 2), np.float32), ('x', 'y'))
    assert len(empty) == 0 and empty.dense(0).shape == (0, 1, 2)
    assert len(empty.where(np.zeros(0, bool))) == 0


@pytest.mark.parametrize('subjects', [(0, 1, 2, 3), (0,), ()])
def test_upt_in_fixed_shapes_is_upt(subjects):
    torch.manual_seed(0)
    head = MODELS.build(upt_head(visual=False, subjects=subjects)).eval()
    counts = [5, 1, 0, 3]
    boxes = torch.rand(4, 5, 4) * 30
    boxes[..., 2:] += boxes[..., :2] + 1
    valid = torch.arange(5) < torch.tensor(counts)[:, None]
    labels = torch.randint(0, 4, (4, 5))
    labels[0, 0], labels[3] = 0, 2  # a person; no subject but where all are
    found = ImageBoxes(boxes, labels, torch.rand(4, 5), valid, torch.full((4, 2), 64.0))
    pairs, scores, _ = head.predict(found)
    every, alone = head.predict_all(found)
    assert alone is None and every.isfinite().all()
    torch.testing.assert_close(every[tuple(pairs.T)], scores)
    every[tuple(pairs.T)] = 0
    assert not every.any() and bool(len(pairs)) == bool(subjects)


def features_head() -> dict:
    return upt_head(visual=False) | dict(visual=dict(type='BoxFeatures', channels=8))


@pytest.mark.parametrize('head', [sabra_head(visual=False, intransitive=False), features_head()])
def test_a_model_without_detector_is_refused_with_the_cure(head):
    model = MODELS.build(dict(type='RelationDetector', head=head))
    with pytest.raises(UserError, match=r'model.detector: None, so boxes are given.*onnx-boxes.*join-checkpoints'):
        check_exportable(model, raw=False)


def test_features_of_boxes_are_refused_with_the_cure():
    head = features_head()
    model, _ = build(head, with_truth=False)
    with pytest.raises(UserError, match='UPTHead reads features of the boxes.*PairPooling'):
        check_exportable(model, raw=False)


def test_a_bundle_with_the_former_output_name_is_refused():
    with pytest.raises(UserError, match='solo_scores is now intransitive_scores; export the detector again'):
        make({'relation_scores': np.zeros((1, 1, 1)), 'solo_scores': np.zeros((1, 1))}, {'predicates': ['x']}, 1)
