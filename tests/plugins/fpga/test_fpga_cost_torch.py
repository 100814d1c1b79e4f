"""Layers of a torch detector: its shapes and ranks, whether float or quantised."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

for package in ('amaranth', 'brevitas'):
    pytest.importorskip(package, reason=f'{package} is not installed: install the extra [fpga]')

from mmdet.registry import MODELS  # noqa: E402

from detplug.cli.config import load_config  # noqa: E402
from detplug.errors import UserError  # noqa: E402
from plugins.fpga.cost.layers import layers_of  # noqa: E402
from plugins.fpga.cost.network import costs_of, network_cost  # noqa: E402
from plugins.fpga.cost.torch_layers import layers_of_model, network_of_model  # noqa: E402
from plugins.fpga.hardware.sizes import Sizes  # noqa: E402
from plugins.fpga.integers.integer_network import Add, Concat, MaxPool, Upsample  # noqa: E402
from plugins.fpga.integers.map_shapes import map_shapes  # noqa: E402
from plugins.fpga.model import quantised_detector  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
RANKS = {'backbone.stage1.0.conv': (3, 4), 'neck.halve.0.conv': (8, 9), 'neck.reduce.0.conv': (6,)}
SIDE = 64


@pytest.fixture(scope='module')
def detector() -> nn.Module:
    """A narrow YOLOv5n with ReLU and Tensor-Train layers."""
    config = load_config(ROOT / 'configs/tt_yolov5/tt-yolov5n_bccd.py')
    relu = dict(act_cfg=dict(type='ReLU'))
    settings = dict(backbone=dict(width=0.125, **relu), neck=dict(in_channels=[32, 64, 128], **relu))
    config.merge_from_dict(dict(model=settings | dict(bbox_head=dict(in_channels=[32, 64, 128]))))
    config.model.ranks = RANKS
    return MODELS.build(config.model).eval()


def test_maps_and_macs_are_those_of_a_forward_pass(detector):
    found, macs = {}, 0

    def note(name):
        def hook(module, inputs, output):
            if isinstance(output, torch.Tensor):
                found.setdefault(name, tuple(output.shape[1:]))

        return hook

    convs = {name: x for name, x in detector.named_modules() if isinstance(x, nn.Conv2d)}
    handles = [x.register_forward_hook(note(name)) for name, x in detector.named_modules()]
    with torch.no_grad():
        detector.bbox_head.raw_predictions(detector.neck(detector.backbone(torch.zeros(1, 3, SIDE, SIDE))))
    for handle in handles:
        handle.remove()
    network = network_of_model(detector, SIDE)
    sizes = map_shapes(network)
    for op in network.ops:
        if op.name in found:
            assert sizes[op.name] == found[op.name], op.name
    for name, layer in convs.items():
        macs += layer.weight.numel() * found[name][1] * found[name][2]
    layers = layers_of_model(detector, SIDE, 4)
    assert {x.name: x.ranks for x in layers if x.ranks} == RANKS
    assert network_cost(costs_of(network, 'chain', Sizes(4))).macs == macs
    kinds = [sum(isinstance(op, kind) for op in network.ops) for kind in (Add, Concat, MaxPool, Upsample)]
    assert kinds == [7, 13, 3, 2]  # 1 + 2 + 3 + 1 shortcuts; 8 C3 blocks, SPPF, 4 merges


def test_a_model_with_cores_fetches_fewer_bytes(detector):
    network = network_of_model(detector, SIDE)
    dense, rebuild = (network_cost(costs_of(network, form, Sizes(4))) for form in ('dense', 'rebuild'))
    assert rebuild.weight_bytes < dense.weight_bytes and rebuild.macs == dense.macs


@pytest.mark.parametrize('form', ['chain', 'rebuild'])
def test_a_quantised_detector_has_the_same_layers(detector, form):
    own = network_of_model(quantised_detector(copy.deepcopy(detector), form), SIDE)
    wanted = network_of_model(detector, SIDE)
    assert [(x.ranks, x.is_conv) for x in layers_of(own, 4)] == [(x.ranks, x.is_conv) for x in layers_of(wanted, 4)]
    ours, theirs = (network_cost(costs_of(x, form, Sizes(4))) for x in (own, wanted))
    assert ours == theirs


def test_an_operation_without_integers_is_one_line(detector):
    class Wrong(nn.Module):
        def forward(self, x):
            return tuple(x.sigmoid() for x in self.inside(x))

    wrong = copy.deepcopy(detector)
    wrong.neck, inside = Wrong(), wrong.neck
    wrong.neck.inside = inside
    with pytest.raises(UserError, match='sigmoid.* has no form in integers'):
        layers_of_model(wrong, SIDE)


def test_a_pooling_that_halves_its_map_is_counted(detector):
    halved = copy.deepcopy(detector)
    halved.backbone.stage0 = nn.Sequential(halved.backbone.stage0, nn.Upsample(scale_factor=2), nn.MaxPool2d(2))
    network, plain = (network_of_model(x, SIDE) for x in (halved, detector))
    assert len(network.ops) == len(plain.ops) + 2
    assert map_shapes(network)[network.outputs[0]] == map_shapes(plain)[plain.outputs[0]]


@pytest.mark.parametrize('array', [4, 8])
def test_a_budget_of_cycles_counts_those_of_the_network_that_is_built(detector, array):
    from mmengine.config import Config

    from plugins.tensor_train.calibration import runner_of
    from plugins.tensor_train.compress import Compression, chains_to_dense
    from plugins.tensor_train.ranks import CalibrationData

    dense = chains_to_dense(copy.deepcopy(detector), RANKS)
    image = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)
    data = CalibrationData(runner_of(dense), [image], image, torch.zeros(1, dtype=torch.int64))
    work = Compression(dense, data, cfg=Config(dict(fpga=dict(array=array))))
    cost = work.cost('cycles')
    for ranks in ({}, RANKS, {'backbone.stage3.0.conv': (2, 5), 'backbone.stage2.0.conv': (9, 11)}):
        network = network_of_model(work.build(ranks, 'svd'), SIDE)
        cycles = network_cost(costs_of(network, 'chain', Sizes(array))).cycles
        assert 0.8 * cycles < cost(ranks) < cycles  # maps of 2 x 2 pixels: the units wait for each other
    ranks = work.ranks('water_filling', 0.9, 'cycles')
    assert ranks and cost(ranks) <= 0.9 * cost({})
