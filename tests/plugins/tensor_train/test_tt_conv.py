"""The chain of convolutions is the dense one at full rank, and the dense one of its own kernel at any rank."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from plugins.tensor_train.decomposition import chain_from_kernel, max_ranks
from plugins.tensor_train.tt_conv import TTConv2d
from plugins.tensor_train.whitening import chain_from_kernel_and_moments

CONFIGS = Path(__file__).resolve().parents[3] / 'configs' / 'yolov5'


@st.composite
def convolutions(draw) -> nn.Conv2d:
    """Any convolution that has a chain, kernels 1, 3, 5, 6 and oblong ones."""
    size = draw(st.sampled_from([1, 3, 5, 6, (1, 3), (5, 1)]))
    pair = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3))))
    torch.manual_seed(draw(st.integers(0, 2**31 - 1)))
    return nn.Conv2d(
        draw(st.integers(1, 12)), draw(st.integers(1, 12)), size,
        stride=draw(pair), padding=padding, dilation=draw(st.integers(1, 2)), bias=draw(st.booleans()),
    )  # fmt: skip


def full_ranks(conv: nn.Conv2d) -> tuple[int, ...]:
    return max_ranks(conv.out_channels, conv.in_channels, conv.kernel_size)


def assert_same_outputs(module: nn.Module, conv: nn.Conv2d, images: torch.Tensor) -> None:
    """Equal to 1e-5 of the largest output."""
    with torch.no_grad():
        found, expected = module(images), conv(images)
    assert found.shape == expected.shape
    scale = expected.abs().max().clamp(min=1).item()
    torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=0)


@given(convolutions(), st.integers(0, 2), st.tuples(st.integers(11, 15), st.integers(11, 15)))
def test_full_rank_is_the_dense_layer(conv, number, size):
    images = torch.randn(number + 1, conv.in_channels, *size)
    assert_same_outputs(TTConv2d.from_conv(conv, full_ranks(conv)), conv, images)
    into, out = torch.eye(conv.in_channels), torch.eye(conv.out_channels)
    kernels = chain_from_kernel_and_moments(conv.weight.detach(), full_ranks(conv), into, out)
    assert_same_outputs(TTConv2d.from_conv(conv, full_ranks(conv), kernels), conv, images)


@given(convolutions(), st.data())
def test_any_rank_is_the_dense_layer_of_its_kernel(conv, data):
    ranks = tuple(data.draw(st.integers(1, full)) for full in full_ranks(conv))
    chain = TTConv2d.from_conv(conv, ranks)
    dense = chain.to_conv()
    assert_same_outputs(chain, dense, torch.randn(2, conv.in_channels, 12, 13))
    assert torch.equal(dense.weight, chain.weight) and dense.weight.shape == conv.weight.shape
    assert (dense.bias is None) == (conv.bias is None) and (conv.bias is None or torch.equal(dense.bias, conv.bias))
    assert (chain.ranks, chain.cores[0].out_channels, chain.cores[-1].in_channels) == (ranks, ranks[0], ranks[-1])
    for name in ('in_channels', 'out_channels', 'kernel_size', 'stride', 'padding', 'dilation', 'groups'):
        assert getattr(chain, name) == getattr(dense, name) == getattr(conv, name)


@given(convolutions())
def test_from_conv_and_back_is_the_kernel(conv):
    back = TTConv2d.from_conv(conv, full_ranks(conv)).to_conv()
    torch.testing.assert_close(back.weight, conv.weight, atol=1e-5, rtol=0)


@pytest.mark.parametrize('size', 'ns')
def test_every_convolution_of_yolov5(size):
    config = Config.fromfile(CONFIGS / f'yolov5{size}_coco.py')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    convs = [x for x in model.modules() if isinstance(x, nn.Conv2d)]
    assert len(convs) == 60
    for conv in convs:
        chain = TTConv2d.from_conv(conv, full_ranks(conv))
        assert_same_outputs(chain, conv, torch.randn(1, conv.in_channels, 8, 8))


@pytest.mark.parametrize('padding', ['same', 'valid'])
def test_named_paddings(padding):
    for size in (1, 3):
        conv = nn.Conv2d(3, 5, size, padding=padding)
        assert_same_outputs(TTConv2d.from_conv(conv, full_ranks(conv)), conv, torch.randn(1, 3, 9, 8))


@pytest.mark.parametrize('size, ranks', [(1, (3,)), (3, (3, 2))])
def test_a_gradient_reaches_every_parameter_and_images(size, ranks):
    torch.manual_seed(0)
    chain, images = TTConv2d(4, 6, size, ranks, padding=1), torch.randn(2, 4, 7, 7, requires_grad=True)
    chain(images).square().sum().backward()
    assert all(x.grad.any() for x in [images, *chain.parameters()])
    chain.zero_grad()
    chain.weight.square().sum().backward()
    assert all(core.weight.grad.any() for core in chain.cores)


@pytest.mark.parametrize('size, ranks', [(1, (3,)), (3, (3, 2))])
def test_it_consists_of_convolutions_alone(size, ranks):
    chain = TTConv2d(4, 6, size, ranks, stride=2)
    leaves = [x for x in chain.modules() if not list(x.children())]
    assert [type(x) for x in leaves] == [nn.Conv2d] * (len(ranks) + 1)
    assert [x.bias is not None for x in leaves] == [False] * len(ranks) + [True]
    assert chain.bias is leaves[-1].bias
    carrying = [x.stride == (2, 2) for x in leaves]
    assert carrying == ([True, False] if size == 1 else [False, True, False])


def test_state_and_new_parameters():
    torch.manual_seed(0)
    chain, other = (TTConv2d(4, 6, 3, (3, 2)) for _ in range(2))
    other.load_state_dict(chain.state_dict())
    assert torch.equal(chain.weight, other.weight)
    other.reset_parameters()
    assert all(not torch.equal(a, b) for a, b in zip(chain.parameters(), other.parameters(), strict=True))


def test_type_and_mode_are_those_of_the_dense_layer():
    conv = nn.Conv2d(4, 6, 3, bias=False).double().eval()
    chain = TTConv2d.from_conv(conv, (2, 3))
    assert chain.weight.dtype == chain.to_conv().weight.dtype == torch.float64
    assert not chain.training and not chain.to_conv().training and chain.bias is None
    chain(torch.zeros(1, 4, 5, 5).double()).sum().backward()
    assert conv.weight.grad is None


@pytest.mark.parametrize(
    'conv, ranks, kernels, message',
    [
        (nn.Conv2d(4, 4, 3, groups=2), (1, 1), None, 'groups 2'),
        (nn.Conv2d(4, 4, 3, padding_mode='reflect'), (1, 1), None, "padding 'reflect'"),
        (nn.Conv2d(1, 8, 1), (3,), None, r'at most \(1,\)'),
        (nn.Conv2d(4, 4, 3), (2,), None, r'2 of at least 1'),
        (nn.Conv2d(4, 4, 1), (2,), chain_from_kernel(torch.ones(4, 4, 1, 1), (1,)), r'ranks \(2,\) want'),
        (nn.Conv2d(4, 4, 1), (2,), chain_from_kernel(torch.ones(4, 4, 3, 3), (1, 1)), r'ranks \(2,\) want'),
    ],
)
def test_what_has_no_chain_is_refused(conv, ranks, kernels, message):
    with pytest.raises(ValueError, match=message):
        TTConv2d.from_conv(conv, ranks, kernels)


@pytest.mark.parametrize('size, ranks', [(1, (2, 2)), (3, (2,)), (3, ())])
def test_a_rank_a_bond(size, ranks):
    with pytest.raises(ValueError, match='wants'):
        TTConv2d(4, 4, size, ranks)
