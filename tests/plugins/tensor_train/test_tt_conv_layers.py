"""The convolutions of a model: who feeds whom as written by hand, sizes and counts as torch counts them."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import plugins.yolov5.register  # noqa: F401
from detplug.cli.config import load_config
from detplug.errors import UserError
from plugins.tensor_train.conv_layers import conv_layers

ROOT = Path(__file__).resolve().parents[3]


class Wrapped(nn.Conv2d):
    """A convolution that may do more than one."""


class SmallNet(nn.Module):
    """Concatenation, addition, a grouped, a mirrored, a wrapped convolution, one that runs twice and one that never."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.left = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.right = nn.Conv2d(4, 6, (3, 1), padding=(1, 0), bias=False)
        self.merge = nn.Conv2d(10, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.mirrored = nn.Conv2d(8, 8, 3, padding=1, padding_mode='reflect')
        self.after = nn.Conv2d(8, 8, 1, stride=2)
        self.wrapped = Wrapped(8, 8, 1)
        self.shared = nn.Conv2d(8, 5, 3)
        self.unused = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        first = self.first(x)
        left = torch.relu_(self.norm(self.left(first.relu()))) + first
        merge = self.merge(torch.cat([left, self.right(first)], 1))
        after = self.after(self.mirrored(self.grouped(merge)))
        return self.shared(merge), self.shared(nn.functional.max_pool2d(self.wrapped(after), 2))


PREDECESSORS = dict(
    first=(),
    left=('first',),
    right=('first',),
    merge=('first', 'left', 'right'),
    after=('mirrored',),
    shared=('merge', 'wrapped'),
)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return SmallNet().eval()


def torch_macs(model: nn.Module, image: torch.Tensor) -> dict[str, int]:
    """Multiply-accumulates of every module as torch counts them."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return {
        name.partition('.')[2]: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items() if flops
    }


def test_who_feeds_whom_as_written_by_hand(net):
    layers = conv_layers(net, net, torch.rand(2, 3, 32, 24))
    assert {name: x.predecessors for name, x in layers.items()} == PREDECESSORS
    assert list(layers) == list(PREDECESSORS)  # in order of execution


def test_sizes_and_calls(net):
    layers = conv_layers(net, net, torch.rand(2, 3, 32, 24))
    assert layers['first'].in_hw == ((32, 24),) and layers['first'].out_hw == ((16, 12),)
    assert layers['shared'].in_hw == ((16, 12), (4, 3)) and layers['shared'].out_hw == ((14, 10), (2, 1))
    assert [layers[name].calls for name in ('first', 'shared')] == [1, 2]
    assert layers['right'].kernel_size == (3, 1) and layers['right'].max_ranks == (4, 6)
    assert layers['after'].stride == (2, 2) and layers['after'].max_ranks == (8,)


def test_counts_are_those_of_torch(net):
    image = torch.rand(1, 3, 32, 24)
    layers, counted = conv_layers(net, net, image), torch_macs(net, image)
    assert {name: x.macs for name, x in layers.items()} == {name: counted[name] for name in layers}
    modules = dict(net.named_modules())
    assert {name: x.params for name, x in layers.items()} == {name: modules[name].weight.numel() for name in layers}


def test_layers_outside_the_pattern_still_come_before(net):
    layers = conv_layers(net, net, torch.rand(1, 3, 32, 24), '^(left|sha)')
    assert {name: x.predecessors for name, x in layers.items()} == {
        'left': ('first',),
        'shared': ('merge', 'wrapped'),
    }


def test_a_pass_without_gradients_has_no_order(net):
    layers = conv_layers(net, torch.no_grad()(net), torch.rand(1, 3, 32, 24))
    assert list(layers) == list(PREDECESSORS) and not any(x.predecessors for x in layers.values())


def test_a_layer_that_feeds_itself_does_not_come_before_itself():
    first, again = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
    layers = conv_layers(nn.Sequential(first, again), lambda x: again(again(first(x))), torch.rand(1, 3, 4, 4))
    assert {name: (x.calls, x.predecessors) for name, x in layers.items()} == {'0': (1, ()), '1': (2, ('0',))}


def test_frozen_layers_are_found_and_the_model_is_left_as_it_was(net):
    net.requires_grad_(False)
    with torch.no_grad():
        layers = conv_layers(net, net, torch.rand(1, 3, 32, 24))
    assert {name: x.predecessors for name, x in layers.items()} == PREDECESSORS
    assert not any(x.requires_grad or x.grad is not None for x in net.parameters())
    assert not any(x._forward_hooks for x in net.modules())


def test_hooks_are_gone_after_a_failure(net):
    with pytest.raises(RuntimeError):
        conv_layers(net, net, torch.rand(1, 5, 32, 24))
    assert not any(x._forward_hooks for x in net.modules())


@pytest.mark.parametrize(
    'model, pattern, words',
    [
        (nn.Sequential(nn.ReLU()), '', 'model: Sequential: no convolution runs that a chain can replace'),
        (nn.Conv2d(3, 3, 3, groups=3), '', 'model: Conv2d: no convolution runs'),
        (nn.Sequential(nn.Conv2d(3, 3, 3)), 'neck', '--modules neck: none of the 1 layers matches, as 0; mend'),
        (nn.Sequential(nn.Conv2d(3, 3, 3)), '(', '--modules (: not a pattern'),
    ],
)
def test_wrong_models_and_patterns_are_one_line(model, pattern, words):
    with pytest.raises(UserError) as error:
        conv_layers(model, model, torch.rand(1, 3, 8, 8), pattern)
    assert words in str(error.value) and '\n' not in str(error.value)


@pytest.fixture(scope='module')
def yolov5n():
    torch.manual_seed(0)
    model = MODELS.build(load_config(ROOT / 'configs/yolov5/yolov5n_coco.py').model).eval()

    def run(images):
        return model(images, None, mode='tensor')

    return model, run, conv_layers(model, run, torch.rand(1, 3, 64, 64))


def test_yolov5n_order(yolov5n):
    _, _, layers = yolov5n
    before = {name.removesuffix('.conv'): tuple(x.removesuffix('.conv') for x in layers[name].predecessors)
              for name in layers}  # fmt: skip
    assert [name for name, own in before.items() if not own] == ['backbone.stage0.0']
    assert before['backbone.stage4.2.expand'] == ('backbone.stage4.2.reduce',)  # SPPF: pools between
    # C3 with two bottlenecks: the input of the second is the sum of the first's input and output
    c3 = 'backbone.stage2.1'
    assert before[f'{c3}.short_conv'] == before[f'{c3}.main_conv'] == ('backbone.stage2.0',)
    assert before[f'{c3}.blocks.1.conv1'] == (f'{c3}.main_conv', f'{c3}.blocks.0.conv2')
    assert before[f'{c3}.final_conv'] == tuple(
        f'{c3}.{own}' for own in ('short_conv', 'main_conv', 'blocks.0.conv2', 'blocks.1.conv2')
    )
    # the neck joins the backbone's map and the upsampled one; its C3 has no shortcut
    assert before['neck.merge_down.1.main_conv'] == ('backbone.stage3.1.final_conv', 'neck.reduce.1')
    assert before['neck.merge_down.1.final_conv'] == (
        'neck.merge_down.1.short_conv',
        'neck.merge_down.1.blocks.0.conv2',
    )
    heads = {own for name, own in before.items() if name.startswith('bbox_head')}
    assert heads == {(f'neck.{own}.final_conv',) for own in ('merge_down.0', 'merge_up.0', 'merge_up.1')}


def test_yolov5n_counts(yolov5n):
    model, run, layers = yolov5n
    convs = {name: x for name, x in model.named_modules() if isinstance(x, nn.Conv2d)}
    assert set(layers) == set(convs)
    assert sum(x.params for x in layers.values()) == sum(x.weight.numel() for x in convs.values())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run(torch.rand(1, 3, 64, 64))
    assert 2 * sum(x.macs for x in layers.values()) == counter.get_total_flops()
