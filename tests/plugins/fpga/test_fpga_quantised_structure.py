"""Whatever is added or concatenated has one scale; what has no integer form is refused in one line."""

import copy
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import nn
from torch.overrides import TorchFunctionMode

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed')

from brevitas.nn import QuantIdentity, QuantReLU
from tiny_quantised import ConvReLU, random_images

import plugins.tensor_train.register
import plugins.yolov5.register  # noqa: F401
from detplug.errors import UserError
from plugins.fpga.model import Quantised, quantised_detector
from plugins.fpga.quantised.calibration import calibrate
from plugins.fpga.quantised.quantisers import frac_of, zero_of
from plugins.fpga.quantised.raw_network import RawNetwork
from plugins.fpga.quantised.replace import quantise

RELU = dict(type='ReLU')


def yolov5(depth: float = 0.33, act_cfg: dict = RELU, **changes) -> dict:
    """Config of a narrow YOLOv5."""
    channels = [16, 32, 64]
    return (
        dict(
            type='SingleStageDetector',
            data_preprocessor=dict(type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3, pad_size_divisor=32),
            backbone=dict(type='YOLOv5Backbone', depth=depth, width=1 / 16, act_cfg=act_cfg),
            neck=dict(type='YOLOv5Neck', depth=depth, in_channels=channels, act_cfg=act_cfg),
            bbox_head=dict(type='YOLOv5Head', num_classes=2, in_channels=channels),
        )
        | changes
    )


class Tags(TorchFunctionMode):
    """Follows the frac of each map through the operations that run, apart from any graph."""

    def __init__(self):
        super().__init__()
        self.meetings = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        maps = args[0] if function is torch.cat else args
        tags = [getattr(x, 'frac', None) for x in maps if isinstance(x, torch.Tensor) and x.dim() == 4]
        if function in (torch.cat, torch.Tensor.add, torch.Tensor.__add__) and len(tags) > 1:
            self.meetings.append(tags)
        if function in (torch.cat, F.interpolate, F.max_pool2d, torch.Tensor.add, torch.Tensor.__add__) and tags:
            result.frac = tags[0]
        return result


@contextmanager
def tagged(network: nn.Module):
    """Results of quantisers carry their frac."""

    def tag(module, _, made):
        made.frac = int(frac_of(module.act_quant))

    kinds = QuantReLU | QuantIdentity
    handles = [x.register_forward_hook(tag) for x in network.modules() if isinstance(x, kinds)]
    with torch.no_grad(), Tags() as tags:
        yield tags.meetings
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize(
    ('depth', 'ranks', 'act'),
    [(0.33, None, 'SiLU'), (0.67, 3, 'ReLU'), (1, None, 'ReLU'), (1.33, None, 'LeakyReLU')],  # n and s, m, l, x
)
def test_maps_that_meet_have_one_scale_in_all_sizes(depth, ranks, act):
    config = yolov5(depth, dict(type=act))
    if ranks:
        config |= dict(type='TTCompressed', of=config['type'], ranks=ranks)
    torch.manual_seed(0)
    network = RawNetwork(quantised_detector(MODELS.build(config).eval()))
    calibrate(network, [random_images(2, side=64)])
    with tagged(network) as meetings:
        network(random_images(1, side=64))
    blocks = sum(max(round(n * depth), 1) for n in (3, 6, 9, 3))  # with a sum each
    pools, csp_layers, neck = 1, 8, 4
    meetings = [tags for tags in meetings if None not in tags]
    assert len(meetings) == blocks + pools + csp_layers + neck
    assert all(len(set(tags)) == 1 for tags in meetings)
    assert len({tags[0] for tags in meetings}) > 1


class Twice(nn.Module):
    """The sum of a map and itself."""

    def forward(self, x):
        return x + x


class Adds(nn.Module):
    """Convolution, ReLU, and what ``change`` makes of the map, then a result."""

    def __init__(self, change, act: nn.Module | None = None, **conv):
        super().__init__()
        self.first = ConvReLU(nn.Conv2d(3, 4, 3, **{'padding': 1, **conv}), 4)
        self.first.activate = act or nn.ReLU()
        self.change, self.last = change, nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return (self.last(self.change(self.first(x))),)


@pytest.mark.parametrize(
    ('act', 'change', 'zero'),
    [
        (nn.SiLU(), nn.Identity(), True), (nn.ReLU6(), nn.Identity(), True), (nn.LeakyReLU(), nn.Identity(), False),
        (nn.SiLU(), Twice(), True), (nn.ReLU(), nn.Identity(), False), (nn.LeakyReLU(), Twice(), False),
    ],
)  # fmt: skip
def test_maps_that_are_hardly_negative_have_a_zero_point(act, change, zero):
    network = quantise(Adds(change, act).eval())
    calibrate(network, [random_images()])
    module = network.first.activate
    if isinstance(act, nn.ReLU):
        assert isinstance(module, QuantReLU)
        return
    point, frac = zero_of(module.after.act_quant), int(frac_of(module.after.act_quant))
    assert (point is not None) == zero
    if zero:
        least = min(float(module.curve(torch.linspace(-9, 9, 999)).min()), 0)
        assert int(point) - 1 < -least * 2**frac + 1e-3 and int(point) >= -least * 2**frac - 1e-3
    assert module.after.act_quant.is_signed != zero


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return self.norm(x)


@pytest.mark.parametrize(
    ('network', 'line'),
    [
        (Adds(lambda x: x, nn.PReLU()), 'first.activate: PReLU has no form in integers; take one of ReLU, SiLU'),
        (Adds(lambda x: x, nn.Identity()), 'first.conv: no activation after it; take one of ReLU, SiLU'),
        (Adds(lambda x: x + 1), 'adds a number to a map'),
        (Adds(lambda x: x + x.flip(3)), 'flip has no form in integers'),
        (Adds(lambda x: x + F.max_pool2d(x, 3, 1, 1)), 'a sum that no module returns'),
        (Adds(lambda x: F.interpolate(x, scale_factor=2, mode='bilinear')), "give mode='nearest'"),
        (Adds(lambda x: x * 0.5), 'mul has no form in integers'),
        (Adds(nn.ReLU()), 'an activation that follows no convolution of its own'),
        (Adds(nn.SiLU()), 'an activation that follows no convolution of its own'),
        (Adds(nn.MaxPool2d(3, 3)), 'change: a pooling of (3, 3), stride (3, 3), padding (0, 0); take an odd kernel'),
        (Adds(Norm()), 'change.norm: follows no convolution of its own'),
        (Adds(lambda x: x, dilation=2), 'first.conv: groups 1, dilation (2, 2)'),
        (Adds(lambda x: x if x.sum() > 0 else x), 'cannot be followed'),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), 'a result that no convolution makes'),
    ],
)
def test_what_has_no_integer_form_is_one_line(network, line):
    with pytest.raises(UserError) as error:
        quantise(copy.deepcopy(network).eval())
    assert line in str(error.value) and '\n' not in str(error.value)


def test_other_images_and_forms_are_refused():
    with pytest.raises(UserError, match='images are not pixel / 255'):
        quantised_detector(
            MODELS.build(yolov5(data_preprocessor=dict(type='DetDataPreprocessor', mean=[1] * 3, std=[255] * 3)))
        )
    with pytest.raises(UserError, match="form: 'dense'"):
        Quantised('SingleStageDetector', 'dense', **{k: v for k, v in yolov5().items() if k != 'type'})
    with pytest.raises(UserError, match='Tanh has no form in integers'):
        quantised_detector(MODELS.build(yolov5(act_cfg=dict(type='Tanh'))))
    with pytest.raises(UserError, match='no backbone and head with raw_predictions'):
        quantised_detector(nn.Linear(2, 2))
