"""Format qonnx of quantised detectors: equal bits and a whole manifest, or nothing and the name of the first tensor."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from torch import nn

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed: brevitas')
pytest.importorskip('qonnx', reason='the extra [fpga] is not installed: qonnx')

from qonnx.transformation.base import Transformation
from tiny_quantised import SIDE as TINY_SIDE
from tiny_quantised import ConvReLU, by_hand, quantised_tiny, random_images

from detplug.cli.config import load_config
from detplug.errors import UserError
from detplug.export.formats import ExportRequest, export
from detplug.export.images import image_paths
from detplug.runtime.bundle import sha256
from detplug.runtime.decode import anchor_grid
from plugins.fpga.integers.integer_network import Conv
from plugins.fpga.model import quantised_detector
from plugins.fpga.passes import PASSES
from plugins.fpga.qonnx import attach_cores, read_qonnx
from plugins.fpga.qonnx.difference import first_difference
from plugins.fpga.qonnx.images import network_images, to_integers
from plugins.fpga.qonnx.write import write_qonnx
from plugins.fpga.quantised.calibration import calibrate
from plugins.fpga.quantised.raw_network import RawNetwork, raw_network, rebuilt_kernels
from plugins.samples.parasites import generate
from plugins.tensor_train.tt_conv import TTConv2d

CONFIG = Path(__file__).resolve().parents[3] / 'configs/yolov5/yolov5n_parasite-samples.py'
SIDE = 32


class Backbone(nn.Module):
    """A dense layer and a Tensor-Train layer."""

    def __init__(self):
        super().__init__()
        self.stem = ConvReLU(nn.Conv2d(3, 8, 6, stride=4, padding=1, bias=False), 8)
        self.deep = ConvReLU(TTConv2d(8, 12, 3, (5, 6), stride=2, padding=1, bias=False), 12)

    def forward(self, images):
        return self.deep(self.stem(images))


class Head(nn.Module):
    """One level, two anchors, two classes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(12, 2 * (5 + 2), 1)
        self.test_cfg = dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6), max_per_img=40, multi_label=True)

    def raw_predictions(self, x):
        return (self.conv(x),)

    def decode_rule(self):
        return dict(type='anchor_grid', anchors=[[[12, 14], [30, 34]]], strides=[8])


class Detector(nn.Module):
    """What the host asks of a detector."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = DetDataPreprocessor([0] * 3, [255] * 3, bgr_to_rgb=True, pad_size_divisor=8)
        self.backbone, self.bbox_head = Backbone(), Head()
        self.dataset_meta = dict(classes=('red', 'green'))


@PASSES.register_module()
class SpoilScale(Transformation):
    """Halves the scale of the map that ``tensor`` names, once."""

    def __init__(self, tensor):
        super().__init__()
        self.tensor = tensor

    def apply(self, model):
        if self.tensor is not None:
            node = model.find_producer(self.tensor)
            model.set_initializer(node.input[1], model.get_initializer(node.input[1]) / np.float32(2))
        self.tensor = None
        return model, False


@PASSES.register_module()
class TransposeWeight(Transformation):
    """Turns the kernels of a layer by 90 degrees."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def apply(self, model):
        (conv,) = [node for node in model.graph.node if node.name == self.layer]
        weight = model.find_producer(conv.input[1]).input[0]
        model.set_initializer(weight, np.ascontiguousarray(model.get_initializer(weight).transpose(0, 1, 3, 2)))
        return model, False


@pytest.fixture(scope='module')
def requests(tmp_path_factory):
    """Function ``(form, passes) -> ExportRequest`` on sample slides."""
    slides = generate(tmp_path_factory.mktemp('data') / 'slides', counts=dict(train=2, val=3, test=2), size=64)
    models = {}

    def request(form='rebuild', passes=(), **options):
        if form not in models:
            torch.manual_seed(0)
            model = quantised_detector(Detector().eval(), form) if form else Detector().eval()
            if form:
                calibrate(RawNetwork(model), [random_images(side=SIDE)])
            models[form] = model
        config = load_config(CONFIG, [f'data_root={slides}'])
        config.fpga = dict(passes=list(passes))
        return ExportRequest(models[form], config, SIDE, **options)

    return request


@pytest.mark.parametrize('form', ['chain', 'rebuild'])
def test_the_file_is_the_network_that_was_written_by_hand(form, tmp_path):
    network, path = quantised_tiny(form), tmp_path / 'model.onnx'
    raw = raw_network(network)
    write_qonnx(raw, path, TINY_SIDE)
    found, expected = attach_cores(read_qonnx(path), rebuilt_kernels(network)), by_hand(network, form)
    images = random_images(4, seed=5, side=TINY_SIDE).numpy()
    assert first_difference(raw, path, found, images) is None
    pixels = to_integers(images, found.input_format)
    made, wanted = found.run(pixels), expected.run(pixels)
    assert [type(op) for op in found.ops] == [type(op) for op in expected.ops]
    for ours, theirs in zip(found.ops, expected.ops, strict=True):
        assert found.formats[ours.name] == expected.formats[theirs.name], ours.name
        assert np.array_equal(made[ours.name], wanted[theirs.name]), ours.name
    with_cores = [op.cores is not None for op in found.ops if isinstance(op, Conv)]
    assert sum(with_cores) == (2 if form == 'rebuild' else 0)


@pytest.mark.parametrize('form', ['chain', 'rebuild'])
def test_the_bundle_says_what_a_stranger_needs(form, requests, tmp_path):
    request = requests(form)
    bundle = export('qonnx', request, tmp_path / 'bundle')
    manifest = json.loads((bundle.folder / 'manifest.json').read_text())
    assert manifest == bundle.manifest and {x.name for x in bundle.folder.iterdir()} == {'model.onnx', 'manifest.json'}
    integers = read_qonnx(bundle.folder / 'model.onnx')
    assert manifest['errors'] == dict(images=3, maps=len(integers.formats), qonnx_mismatches=0, integer_mismatches=0)
    assert manifest['model']['sha256'] == sha256(bundle.folder / 'model.onnx')
    assert manifest['model']['dialect'] == 'QONNX' and manifest['classes'] == ['red', 'green']
    assert manifest['input']['name'] == 'images' and manifest['input']['shape'] == [1, 3, SIDE, SIDE]
    assert manifest['input']['format'] == dict(frac=8, signed=False, bits=8, zero=0)
    assert manifest['outputs']['names'] == ['level0'] and manifest['outputs']['kind'] == 'raw'
    assert {'brevitas', 'qonnx', 'torch', 'detplug'} <= manifest['versions'].keys()
    # the manifest alone leads from images to the dense boxes of torch
    images = network_images(image_paths(request.cfg, 'val', 2), manifest)
    maps = integers.run(to_integers(images, integers.input_format))
    values = [maps['level0'] * np.float32(2.0 ** -manifest['outputs']['formats'][0]['frac'])]
    with torch.no_grad():
        wanted = RawNetwork(request.model)(torch.from_numpy(images))
    rule = manifest['outputs']['decode']
    dense = anchor_grid([x.astype(np.float32) for x in values], rule)
    expected = anchor_grid([x.numpy() for x in wanted], rule)
    for ours, theirs in zip(dense, expected, strict=True):
        assert ours.size and np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ('spoil', 'tensor'),
    [
        (dict(type='SpoilScale', tensor='pixels'), 'pixels'),
        (dict(type='SpoilScale', tensor='backbone_deep_conv'), 'backbone_deep_conv'),
        (dict(type='TransposeWeight', layer='backbone_stem_conv_layer'), 'backbone_stem_conv_layer'),
        (dict(type='TransposeWeight', layer='backbone_deep_conv'), 'backbone_deep_conv'),
    ],
)
def test_what_a_pass_spoils_is_named_and_nothing_is_written(spoil, tensor, requests, tmp_path):
    with pytest.raises(
        UserError, match=rf'qonnx: {tensor}: \d+ of \d+ values differ between qonnx and torch in image 0'
    ):
        export('qonnx', requests(passes=[spoil]), tmp_path / 'bundle')
    assert not list(tmp_path.iterdir())


def test_a_spoilt_core_is_named_and_nothing_is_written(requests, tmp_path, monkeypatch):
    from plugins.fpga.quantised import raw_network as module

    def spoilt(model):
        kernels = rebuilt_kernels(model)
        kernels[1].first[0] ^= 32
        return kernels

    monkeypatch.setattr(module, 'rebuilt_kernels', spoilt)
    with pytest.raises(UserError, match=r'^backbone_deep_conv: cores: \d+ of 864 rebuilt weights'):
        export('qonnx', requests(), tmp_path / 'bundle')
    assert not list(tmp_path.iterdir())


def test_a_float_detector_is_refused(requests, tmp_path):
    with pytest.raises(UserError, match='not quantised; make it so by tools/compress.py --method fpga'):
        export('qonnx', requests(form=None), tmp_path / 'bundle')


def test_a_batch_of_any_size_is_refused(requests, tmp_path):
    with pytest.raises(UserError, match='--dynamic-batch: hardware takes one image at a time'):
        export('qonnx', requests(dynamic_batch=True), tmp_path / 'bundle')


def test_another_device_is_named_as_not_used(requests, tmp_path, capsys):
    export('qonnx', requests(device=torch.device('cuda:0')), tmp_path / 'bundle')
    assert '--device cuda:0: not used, integers are compared on the CPU\n' in capsys.readouterr().out
