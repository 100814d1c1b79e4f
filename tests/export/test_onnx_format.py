"""Format onnx: the runtime finds what torch finds, or nothing is written."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from detplug.engine.torch_engine import TorchEngine
from detplug.errors import UserError
from detplug.export.compare import check_decided, mutual_nearest, nudged
from detplug.export.formats import export
from detplug.export.pipeline import prediction_steps
from detplug.images.reading import read_image
from detplug.runtime.bundle import Detector

SIDE = 64


@pytest.mark.parametrize('name', ['bundle', 'raw_bundle', 'pipeline_bundle'])
def test_the_runtime_finds_what_torch_finds(request, name, toy, drawn_config, val_images):
    steps = prediction_steps(drawn_config, None if name == 'pipeline_bundle' else SIDE)
    detector, reference = Detector(request.getfixturevalue(name).folder), TorchEngine(toy, steps)
    for path in val_images:
        mine, torchs = detector(path), reference([read_image(path)])[0]
        assert len(mine) == len(torchs) > 5
        i, j = mutual_nearest(mine, torchs)  # scores that differ by a rounding may change places
        assert len(i) == len(mine) and (np.diff(mine.scores) <= 0).all()
        np.testing.assert_allclose(mine.boxes[i], torchs.boxes[j], atol=1e-3)
        np.testing.assert_allclose(mine.scores[i], torchs.scores[j], atol=1e-5)


def test_a_batch_equals_one_image_after_another(bundle, val_images):
    detector = Detector(bundle.folder)
    assert detector.dynamic_batch
    for together, path in zip(detector.detect(val_images), val_images, strict=True):
        alone = detector(path)
        i, j = mutual_nearest(together, alone)
        assert len(i) == len(together) == len(alone)
        np.testing.assert_allclose(together.boxes[i], alone.boxes[j], atol=1e-3)


def test_the_manifest_says_what_a_stranger_needs(bundle, raw_bundle, toy):
    manifest = json.loads((bundle.folder / 'manifest.json').read_text())
    assert manifest == bundle.manifest
    assert manifest['classes'] == list(toy.dataset_meta['classes'])
    assert manifest['input'] == dict(
        name='images',
        shape=['batch', 3, SIDE, SIDE],
        layout='NCHW',
        dtype='float32',
        multiple=32,
        pad_value=0.0,
        channel_order='RGB',
        mean=[0.0] * 3,
        std=[255.0] * 3,
    )
    assert manifest['letterbox']['centre'] is True and manifest['letterbox']['pad_value'] == 114
    assert manifest['outputs']['names'] == ['count', 'boxes', 'scores', 'labels']
    assert manifest['nms']['iou_threshold'] == toy.bbox_head.test_cfg['nms']['iou_threshold']
    assert manifest['errors']['unmatched'] == 0 and manifest['errors']['max_box_px'] < 0.05
    assert raw_bundle.manifest['outputs']['decode']['strides'] == [8, 16]
    assert raw_bundle.manifest['input']['shape'] == [1, 3, SIDE, SIDE]


def test_a_graph_of_other_weights_is_refused_and_the_old_bundle_stays(reuse_raw_graph, request_of, toy, tmp_path):
    other = copy.deepcopy(toy)
    with torch.no_grad():
        other.bbox_head.convs[0].bias[0] += 0.05
    out = tmp_path / 'bundle'
    out.mkdir()
    (out / 'manifest.json').write_text('old')
    with pytest.raises(UserError, match='differs from the torch model'):
        export('onnx', replace(request_of(raw=True), model=other), out)
    assert (out / 'manifest.json').read_text() == 'old' and [x.name for x in tmp_path.iterdir()] == ['bundle']


def test_boxes_that_rounding_decides_are_not_compared(monkeypatch, toy, drawn_config, val_images):
    """Maps that are the same everywhere but for rounding, as of an untrained or pruned detector."""
    nms = dict(score_thr=0.05, iou_threshold=0.2, max_per_img=400)
    settings = dict(nms=dict(type='nms', iou_threshold=0.2), max_per_img=400)
    monkeypatch.setattr(toy.bbox_head, 'test_cfg', toy.bbox_head.test_cfg | settings)
    flat = copy.deepcopy(toy)
    with torch.no_grad():
        for conv in flat.down:
            conv.weight *= 1e-7
            conv.bias.uniform_(1, 2)
    steps, errors = prediction_steps(drawn_config, SIDE), []
    for model in (toy, flat):
        engines = (TorchEngine(x, steps) for x in (model, nudged(model)))
        try:
            check_decided(*engines, nms, val_images, 'x.py: onnx')
        except UserError as error:
            errors.append((model, str(error)))
    assert [model for model, _ in errors] == [flat]
    assert 'change in the last bit' in errors[0][1] and errors[0][1].endswith('give a trained checkpoint')


def test_nudged_weights_change_in_the_last_bit_alone(toy):
    before, after = (torch.cat([x.flatten() for x in model.parameters()]) for model in (toy, nudged(toy)))
    assert 0 < (before != after).float().mean() and ((before - after).abs() <= 2.0**-22 * before.abs()).all()


def test_a_detector_without_dense_predictions_is_refused_in_one_line(request_of, tmp_path):
    model = nn.Module()
    model.bbox_head = nn.Identity()
    with pytest.raises(UserError, match='Identity of Module has no dense_predictions.*RetinaNet, FCOS') as error:
        export('onnx', replace(request_of(), model=model), tmp_path / 'bundle')
    assert '\n' not in str(error.value) and not (tmp_path / 'bundle').exists()


def test_another_kind_of_nms_is_refused(monkeypatch, request_of, toy, tmp_path):
    monkeypatch.setitem(toy.bbox_head.test_cfg, 'nms', dict(type='soft_nms', iou_threshold=0.6))
    with pytest.raises(UserError, match='soft_nms'):
        export('onnx', request_of(), tmp_path / 'bundle')


def test_a_detector_that_finds_nothing_is_refused(reuse_raw_graph, monkeypatch, request_of, toy, tmp_path):
    monkeypatch.setitem(toy.bbox_head.test_cfg, 'score_thr', 1.0)
    with pytest.raises(UserError, match='finds nothing'):
        export('onnx', request_of(raw=True), tmp_path / 'bundle')
