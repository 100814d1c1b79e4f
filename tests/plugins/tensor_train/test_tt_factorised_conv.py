"""Factorised channels: full rank is the dense layer, the loss is tensorly's, one mode a side is the chain."""

from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from plugins.tensor_train.decomposition import max_ranks
from plugins.tensor_train.factorised_conv import TTFactorisedConv2d, kernel_modes
from plugins.tensor_train.tt_conv import TTConv2d

MODES = st.lists(st.integers(1, 4), min_size=1, max_size=3)
SIZES = st.sampled_from([(1, 1), (3, 3), (5, 5), (6, 6), (1, 3)])
PLACES = st.fixed_dictionaries(
    dict(
        stride=st.integers(1, 2),
        padding=st.sampled_from([(0, 0), (1, 1), (2, 1)]),
        dilation=st.integers(1, 2),
        bias=st.booleans(),
    )
)


def dense(out_modes, in_modes, size, seed: int = 0, **place) -> nn.Conv2d:
    torch.manual_seed(seed)
    return nn.Conv2d(prod(in_modes), prod(out_modes), size, **place)


def bonds(out_modes, in_modes, size) -> int:
    return len(in_modes) + len(out_modes) + (prod(size) > 1) - 1


@given(MODES, MODES, SIZES, PLACES, st.integers(0, 99))
def test_full_rank_is_the_dense_layer(out_modes, in_modes, size, place, seed):
    conv = dense(out_modes, in_modes, size, seed, **place)
    factorised = TTFactorisedConv2d.from_conv(conv, out_modes, in_modes, [999] * bonds(out_modes, in_modes, size))
    images, back = torch.randn(2, conv.in_channels, 12, 13), factorised.to_conv()
    with torch.no_grad():
        found, expected = factorised(images), conv(images)
        assert torch.equal(found, back(images))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(back.weight, conv.weight, atol=1e-5, rtol=0)
    for name in ('in_channels', 'out_channels', 'kernel_size', 'stride', 'padding', 'dilation', 'groups'):
        assert getattr(factorised, name) == getattr(conv, name) == getattr(back, name)


@given(MODES, MODES, SIZES, st.data())
def test_the_loss_is_that_of_tensorly(out_modes, in_modes, size, data):
    tl = pytest.importorskip('tensorly', reason='tensorly is the oracle: pip install tensorly')
    from tensorly.decomposition import tensor_train

    conv = dense(out_modes, in_modes, size).double()
    ranks = [data.draw(st.integers(1, 5)) for _ in range(bonds(out_modes, in_modes, size))]
    factorised = TTFactorisedConv2d.from_conv(conv, out_modes, in_modes, ranks)
    kernel = conv.weight.detach().permute(1, 2, 3, 0).numpy()
    tensor = kernel.reshape([*in_modes, *([prod(size)] if prod(size) > 1 else []), *out_modes])
    theirs = tl.tt_to_tensor(tensor_train(tl.tensor(tensor), rank=[1, *factorised.ranks, 1]))
    found = (factorised.weight - conv.weight).norm().item()
    assert found == pytest.approx(np.linalg.norm(theirs - tensor), abs=1e-9)


@pytest.mark.parametrize('size, ranks', [(1, (3,)), (3, (3, 4))])
def test_one_mode_a_side_is_the_chain(size, ranks):
    conv = dense([8], [6], (size, size))
    factorised = TTFactorisedConv2d.from_conv(conv, [8], [6], ranks)
    torch.testing.assert_close(factorised.weight, TTConv2d.from_conv(conv, ranks).weight, atol=1e-6, rtol=0)
    assert max_ranks(8, 6, (size, size)) == TTFactorisedConv2d([8], [6], size, [99] * len(ranks)).ranks


def test_the_example_of_512_to_256_channels():
    assert kernel_modes((16, 16), (32, 16), (3, 3)) == (32, 16, 9, 16, 16)
    layer = TTFactorisedConv2d([16, 16], [32, 16], 3, [8, 8, 8, 8], padding=1, bias=False)
    assert [tuple(x.shape) for x in layer.cores] == [(1, 32, 8), (8, 16, 8), (8, 9, 8), (8, 16, 8), (8, 16, 1)]
    assert sum(x.numel() for x in layer.parameters()) == 32 * 8 + 64 * (16 + 9 + 16) + 16 * 8  # of 1 179 648
    assert layer(torch.zeros(1, 512, 4, 4)).shape == (1, 256, 4, 4) and layer.weight.shape == (256, 512, 3, 3)


def test_ranks_are_cut_alike_for_new_layers_and_for_decomposed_ones():
    ranks = [99, 1, 99, 99]
    own = TTFactorisedConv2d.from_conv(dense([4, 3], [2, 2], (3, 3)), [4, 3], [2, 2], ranks)
    new = TTFactorisedConv2d([4, 3], [2, 2], 3, ranks)
    assert own.ranks == new.ranks == (2, 1, 9, 3)
    new.load_state_dict(own.state_dict())
    assert torch.equal(own.weight, new.weight)


def test_a_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    layer = TTFactorisedConv2d([2, 3], [2, 2], 3, [2, 2, 2, 2])
    layer(torch.randn(1, 4, 5, 5)).square().sum().backward()
    assert all(x.grad.any() for x in layer.parameters())


def test_new_kernels_vary_as_those_of_torch():
    torch.manual_seed(0)
    drawn = [TTFactorisedConv2d([4, 4], [4, 4], 3, [4] * 4, bias=False).weight.detach() for _ in range(200)]
    assert torch.stack(drawn).var().item() == pytest.approx(1 / (3 * 16 * 9), rel=0.15)


def test_type_and_mode_are_those_of_the_dense_layer():
    conv = dense([4], [4], (3, 3), padding='same').double().eval()
    factorised = TTFactorisedConv2d.from_conv(conv, [2, 2], [4], [2, 2, 2])
    assert factorised.weight.dtype == factorised.to_conv().weight.dtype == torch.float64
    assert not factorised.training and factorised(torch.zeros(1, 4, 5, 5).double()).shape == (1, 4, 5, 5)


@pytest.mark.parametrize(
    'conv, out_modes, in_modes, ranks, message',
    [
        (nn.Conv2d(4, 4, 3, groups=2), [4], [4], [1, 1], 'groups 2'),
        (nn.Conv2d(4, 4, 3, padding_mode='circular'), [4], [4], [1, 1], "padding 'circular'"),
        (nn.Conv2d(4, 6, 3), [6], [2, 3], [1, 1, 1], 'no factors of 6 x 4'),
        (nn.Conv2d(4, 6, 3), [6], [4], [1], '2 of at least 1 are wanted'),
        (nn.Conv2d(4, 6, 3), [6], [4], [0, 1], '2 of at least 1 are wanted'),
    ],
)
def test_what_has_no_such_form_is_refused(conv, out_modes, in_modes, ranks, message):
    with pytest.raises(ValueError, match=message):
        TTFactorisedConv2d.from_conv(conv, out_modes, in_modes, ranks)
