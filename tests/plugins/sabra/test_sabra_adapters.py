"""Detectors of every kind before a relation head: they train, test, predict; the head gets what they say."""

import contextlib
import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parents[3] / 'benchmarks'))
import sabra_detectors as benchmark
from sabra_detector_cases import BOX, batch, pixels_model, sample

from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError
from plugins.sabra.adapters import QueryAdapter, adapter_of
from plugins.sabra.adapters.adapter import evaluating

with quiet_imports():
    from mmdet.registry import MODELS
    from mmdet.testing import demo_mm_inputs
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import init_default_scope


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('scenes')
    size, count = benchmark.SIDE, benchmark.IMAGES
    benchmark.generate(folder, counts=dict(train=count, val=count, test=count), size=size)
    return folder


@pytest.mark.parametrize(('name', 'head'), [*((name, 'sabra') for name in benchmark.FILES), ('detr', 'upt')])
def test_two_steps_a_test_and_a_prediction(name, head, scenes):
    assert benchmark.check(name, scenes, head) == []


def built(name):
    init_default_scope('mmdet')
    torch.manual_seed(0)
    config = benchmark.config_of(name, Path('nowhere'))
    model = revert_sync_batchnorm(MODELS.build(config.model))
    model.init_weights()
    return model


@pytest.mark.parametrize('name', ['detr', 'deformable_detr', 'dino'])
def test_boxes_of_queries_are_those_that_mmdet_reports_and_their_features_predict_them(name):
    detector = built(name).detector.eval()
    data = demo_mm_inputs(2, [[3, 64, 64], [3, 64, 48]], num_classes=benchmark.CLASSES)
    data = MODELS.build(dict(type='DetDataPreprocessor')).forward(data)
    samples, inputs = data['data_samples'], data['inputs'].float()
    adapter = adapter_of(detector)
    assert isinstance(adapter, QueryAdapter)
    with torch.no_grad():
        found = adapter.detect(inputs, samples).boxes
        wanted = [x.pred_instances for x in detector.predict(inputs, samples, rescale=False)]
        for own, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(own.bboxes, theirs.bboxes)
            torch.testing.assert_close(own.scores, theirs.scores)
            assert torch.equal(own.labels, theirs.labels) and len(own) == 20
            head = detector.bbox_head  # the last layer's classifier on a box's feature gives the box's score
            classifier = head.fc_cls if name == 'detr' else head.cls_branches[1]
            logits = classifier(own.features)
            chance = logits.softmax(1) if name == 'detr' else logits.sigmoid()
            torch.testing.assert_close(chance.gather(1, own.labels[:, None])[:, 0], own.scores)


def test_an_unknown_kind_of_detector_is_refused_and_an_adapter_of_ones_own_is_used():
    with pytest.raises(UserError, match='Identity is none of'):
        adapter_of(torch.nn.Identity())
    net = pixels_model(adapter=dict(type='TwoStageAdapter'))
    assert type(net.adapter).__name__ == 'TwoStageAdapter'


def test_query_features_and_boxes_of_the_truth_exclude_one_another():
    config = benchmark.config_of('detr', Path('nowhere'))
    with pytest.raises(UserError, match='with_truth=False'):
        MODELS.build(dict(config.model, with_truth=True))


def test_evaluating_restores_the_mode_of_each_module():
    net = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm2d(2)).train()
    net[1].eval()
    with contextlib.suppress(KeyError), evaluating(net):
        assert not any(module.training for module in net.modules())
        raise KeyError
    assert [module.training for module in net.modules()] == [True, True, False]


def test_boxes_in_training_are_those_of_eval_mode():
    """FCOS does not multiply its distances by the stride while it trains."""
    model = built('fcos').train()
    model.detector.bbox_head.norm_on_bbox = True
    data = model.data_preprocessor(batch([sample(BOX, [0, 1, 2, 3])] * 2, pictures=True), training=True)
    _, learned = model.adapter.learn(data['inputs'], data['data_samples'])
    assert model.detector.bbox_head.training
    model.eval()
    with torch.no_grad():
        wanted = model.adapter.boxes(learned.maps, data['data_samples'])
    for own, theirs in zip(learned.boxes, wanted, strict=True):
        torch.testing.assert_close(own.bboxes, theirs.bboxes)
        assert len(own) > 5
    with torch.no_grad():  # what it would be
        other = model.detector.train().bbox_head.predict(learned.maps, data['data_samples'], rescale=False)
    assert len(other[0]) != len(wanted[0]) or not torch.allclose(other[0].bboxes, wanted[0].bboxes)


# -- what must not be a target of the detector ---------------------------------------------------------------------


@pytest.mark.parametrize('name', ['faster_rcnn', 'retinanet', 'detr'])
def test_a_box_without_area_and_a_crowd_are_no_targets(name):
    """As a region of its own a box without area made every loss of Faster R-CNN NaN."""
    model = built(name).train()
    case = sample([*BOX, [20.0, 20, 20, 20]], [0, 1, 2, 3, 1], [(0, 4, 1), (0, 1, 2)])
    case.gt_instances.ignored = torch.tensor([False, False, True, False, False])
    data = model.data_preprocessor(batch([case] * 2, pictures=True), training=True)
    targets, loss = [], model.detector.loss
    model.detector.loss = lambda inputs, samples: targets.extend(samples) or loss(inputs, samples)
    losses = model(**data, mode='loss')
    assert all(x.isfinite().all() for value in losses.values() for x in (value if isinstance(value, list) else [value]))
    for one in targets:
        assert one.gt_instances.bboxes.tolist() == [BOX[0], BOX[1], BOX[3]]
        assert one.ignored_instances.bboxes.tolist() == [BOX[2]]
    found = []
    model.relation_head.loss = lambda boxes, *rest: found.append(boxes) or {}
    model(**data, mode='loss')
    if model.with_truth:  # nor are they boxes that the head gets with score 1
        assert [found[0].boxes[0, k].tolist() for k in range(3)] == [BOX[0], BOX[1], BOX[3]]
