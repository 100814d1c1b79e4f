"""The quantised torch network is the integer one, trains, and keeps its scales."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed')

from tiny_quantised import by_hand, quantised_tiny, random_images, random_tiny, rounded

from detplug.engine.foreach_ema import ForeachEMA
from detplug.errors import UserError
from plugins.fpga.quantised.fold import fold_batch_norms
from plugins.fpga.quantised.plain import make_plain
from plugins.fpga.quantised.raw_network import raw_network, rebuilt_kernels
from plugins.fpga.quantised.rebuilt_conv import RebuiltConv2d
from plugins.fpga.quantised.replace import quantise

FORMS = ('chain', 'rebuild')


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_it_computes_what_the_integers_compute(form, dtype, seed=0):
    network, images = quantised_tiny(form, seed), random_images(4, seed + 100)
    integers = by_hand(network, form)
    expected = integers.values(integers.run(rounded(images, 8, 0, 255)))
    for run in (network, raw_network(network)):
        found = copy.deepcopy(run).to(dtype)(images.to(dtype))
        assert all(x.numpy(force=True).astype(np.float64).std() > 0 for x in found)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine.numpy(force=True).astype(np.float64), theirs)


@pytest.mark.parametrize('form', FORMS)
def test_it_is_near_the_float_network(form):
    images = random_images(8, 5)
    with torch.no_grad():
        for mine, theirs in zip(quantised_tiny(form)(images), random_tiny()(images), strict=True):
            assert (mine - theirs).square().mean() < 0.01 * theirs.var()


@pytest.mark.parametrize('form', FORMS)
def test_a_checkpoint_holds_everything(form):
    network, images = quantised_tiny(form), random_images()
    other = quantise(random_tiny(7), form)
    assert not torch.equal(other(images)[0], network(images)[0])
    other.load_state_dict(network.state_dict(), strict=True)
    assert all(torch.equal(a, b) for a, b in zip(other(images), network(images), strict=True))


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('optimiser', [torch.optim.SGD, torch.optim.AdamW])
def test_training_moves_weights_and_no_scale(form, optimiser):
    network = quantised_tiny(form).train()
    average = ForeachEMA(network, momentum=0.1, gamma=2, update_buffers=True)
    before = copy.deepcopy(network.state_dict())
    trained = optimiser(network.parameters(), lr=0.01, weight_decay=0.01)
    for step in range(3):
        trained.zero_grad()
        sum(x.square().mean() for x in network(random_images(seed=step))).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name
        trained.step()
        average.update_parameters(network)
    for name, value in average.module.state_dict().items():
        fixed = not value.is_floating_point()
        assert fixed == ('frac' in name or 'shifts' in name)
        assert torch.equal(value, before[name]) == torch.equal(network.state_dict()[name], before[name]) == fixed
    integers, images = by_hand(average.module, form), random_images(2, 9)
    expected = integers.values(integers.run(rounded(images, 8, 0, 255)))
    np.testing.assert_array_equal(average.module(images)[0].numpy(force=True), expected[0])


def test_batch_norms_are_folded_also_after_a_chain():
    network, images = random_tiny(), random_images()
    folded = fold_batch_norms(copy.deepcopy(network))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    for mine, theirs in zip(folded(images), network(images), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_kernels_come_in_order_of_execution():
    kernels = rebuilt_kernels(quantised_tiny('rebuild'))
    assert [kernel is not None for kernel in kernels] == [False, False, False, True, True, False, False]
    assert kernels[3].middle.shape == (4, 5, 3, 3) and kernels[4].middle is None
    assert rebuilt_kernels(quantised_tiny('chain')) == [None] * 10


def test_the_rebuilt_kernel_is_that_of_the_cores():
    layers = [x for x in quantised_tiny('rebuild').modules() if isinstance(x, RebuiltConv2d)]
    for layer in layers:
        np.testing.assert_array_equal(layer.integer_weight().numpy(force=True), layer.kernel().rebuild())
        dense = layer.integer_weight() * 2.0**-layer.weight_frac
        exact = layer.cores[-1].weight[:, :, 0, 0]
        for core in (*layer.cores[1:-1][::-1], layer.cores[0]):
            exact = torch.einsum('os,sihw->oihw', exact, core.weight) if exact.dim() == 2 else torch.einsum(
                'oshw,si->oihw', exact, core.weight[:, :, 0, 0]
            )  # fmt: skip
        assert (dense - exact).square().mean() < 0.005 * exact.square().mean()
    assert len(layers) == 2


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('block.quant.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.frac', 'has the fracs'),
        ('short.conv.weight_quant.tensor_quant.scaling_impl.frac', 'short.conv: bias of frac'),
        ('pair.conv.shifts', 'pair.conv: bias of frac'),
    ],
)
def test_scales_that_do_not_belong_together_are_refused(name, words):
    network = quantised_tiny('rebuild')
    network.state_dict()[name].add_(1)
    with pytest.raises(UserError, match=words):
        raw_network(network)


@pytest.mark.parametrize('form', FORMS)
def test_the_plain_form_has_the_same_values_and_nothing_of_brevitas(form, images=4):
    network, inputs = quantised_tiny(form), random_images(images, 9)
    plain = copy.deepcopy(network)
    make_plain(plain)
    kinds = {type(module).__module__.split('.')[0] for module in plain.modules()}
    assert 'brevitas' not in kinds and not any(isinstance(x, RebuiltConv2d) for x in plain.modules())
    assert all(torch.equal(a, b) for a, b in zip(plain(inputs), network(inputs), strict=True))
