"""The quantised torch network is the integer one, trains, and keeps its scales."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed')

from tiny_quantised import by_hand, frac, quantised_tiny, random_images, random_tiny, rounded

from detplug.engine.foreach_ema import ForeachEMA
from detplug.errors import UserError
from plugins.fpga.hardware.limits import MAX_BIAS, MAX_SHIFT
from plugins.fpga.integers.integer_network import Conv
from plugins.fpga.quantised.activation_table import ActivationTable
from plugins.fpga.quantised.calibration import calibrate
from plugins.fpga.quantised.fold import fold_batch_norms
from plugins.fpga.quantised.plain import make_plain
from plugins.fpga.quantised.quantisers import frac_of
from plugins.fpga.quantised.raw_network import raw_network, rebuilt_kernels
from plugins.fpga.quantised.rebuilt_conv import RebuiltConv2d
from plugins.fpga.quantised.replace import quantise

FORMS = ('chain', 'rebuild')


ACTS = (nn.ReLU, nn.SiLU, nn.LeakyReLU, nn.Hardswish)


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('act', ACTS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_it_computes_what_the_integers_compute(form, act, dtype, seed=0):
    network, images = quantised_tiny(form, seed, act), random_images(4, seed + 100)
    integers = by_hand(network, form, act)
    expected = integers.values(integers.run(rounded(images, 8, 0, 255)))
    for run in (network, raw_network(network)):
        found = copy.deepcopy(run).to(dtype)(images.to(dtype))
        assert all(x.numpy(force=True).astype(np.float64).std() > 0 for x in found)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine.numpy(force=True).astype(np.float64), theirs)


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('act', ACTS)
def test_it_is_near_the_float_network(form, act):
    images = random_images(8, 5)
    with torch.no_grad():
        for mine, theirs in zip(quantised_tiny(form, act=act)(images), random_tiny(act=act)(images), strict=True):
            assert (mine - theirs).square().mean() < 0.01 * theirs.var()


def uneven(scale: float = 64.0) -> nn.Module:
    """Float; the channels of its first layer have kernels of very different sizes."""
    network = random_tiny()
    with torch.no_grad():
        network.stem.bn.weight.mul_(scale ** -torch.linspace(0, 1, 6))
    return network


def test_a_scale_a_channel_loses_less():
    images, losses, fracs = random_images(8, 5), [], []
    with torch.no_grad():
        exact = fold_batch_norms(uneven()).stem.conv(images)
    for per_channel in (True, False):
        network = quantise(uneven(), 'chain')
        calibrate(network, [random_images()], per_channel)
        with torch.no_grad():
            mine = network.stem.conv(images)
            mine /= (mine * exact).sum() / exact.square().sum()  # the gain of the map
            losses.append((mine - exact).square().mean((0, 2, 3)) / exact.var((0, 2, 3)))
        fracs.append(frac(network.state_dict(), 'stem.conv.layer', 'weight'))
        heads = [frac(network.state_dict(), f'heads.{level}', 'weight') for level in (0, 1)]
        assert all(len(set(x.tolist())) == 1 for x in heads)  # sums that are a result have one scale
    assert len(set(fracs[0].tolist())) > 3 and len(set(fracs[1].tolist())) == 1
    assert losses[0].max() < 0.1 * losses[1].max()


@pytest.mark.parametrize('form', FORMS)
def test_dead_channels_and_large_biases_fit_the_words_of_the_accelerator(form):
    """Kernels of almost nothing with an ordinary bias; a layer that is almost dead after its ReLU."""
    network = random_tiny()
    with torch.no_grad():
        network.stem.bn.weight[1] = 1e-7
        network.stem.bn.bias[1] = 0.7
        network.short.bn.weight.fill_(1e-9)
        network.short.bn.bias.fill_(1e-6)
        network.pair.bn.weight.mul_(1e-6)
        network.pair.bn.bias.fill_(0.5)
    reference = copy.deepcopy(network)
    calibrate(quantise(network, form), [random_images()])
    integers = by_hand(network, form)
    for op in integers.ops:
        if isinstance(op, Conv) and op.out is not None:
            assert np.abs(op.bias.astype(np.int64)).max() <= MAX_BIAS
            shifts = op.shifts(integers.formats[op.sources[0]])
            assert shifts.min() >= 0 and shifts.max() <= MAX_SHIFT, op.name
    images = random_images(4, 5)
    with torch.no_grad():
        for mine, theirs in zip(network(images), reference(images), strict=True):
            assert (mine - theirs).square().mean() < 0.05 * theirs.var() + 1e-4
    raw_network(network)


def test_sums_that_would_be_shifted_to_the_left_are_refused():
    network = quantised_tiny('chain')
    frac_of(network.pair.activate.act_quant).add_(40)
    with pytest.raises(UserError, match='model: pair.conv: its sums would be shifted by -'):
        raw_network(network)


def test_of_activations_by_a_table_the_gradient_is_the_activations():
    table = ActivationTable(nn.SiLU())
    for proxy, own in ((table.before.act_quant, 4), (table.after.act_quant, 5)):
        frac_of(proxy).fill_(own)
    x = torch.linspace(-3, 3, 61, requires_grad=True)
    y = table(x)
    y.sum().backward()
    wanted = x.detach().clone().requires_grad_()
    nn.functional.silu((wanted * 16).round().detach() / 16 + wanted - wanted.detach()).sum().backward()
    torch.testing.assert_close(x.grad, wanted.grad)
    exact = torch.round(nn.functional.silu(torch.round(x.double() * 16) / 16) * 32) / 32
    assert torch.equal(y.double(), exact)


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('act', ACTS[:2])
def test_a_checkpoint_holds_everything(form, act):
    network, images = quantised_tiny(form, act=act), random_images()
    other = quantise(random_tiny(7, act), form)
    assert not torch.equal(other(images)[0], network(images)[0])
    other.load_state_dict(network.state_dict(), strict=True)
    assert all(torch.equal(a, b) for a, b in zip(other(images), network(images), strict=True))


def test_a_checkpoint_with_one_scale_a_kernel_is_read():
    network, images = quantised_tiny('chain', per_channel=False), random_images()
    state = {
        name: value[0] if name.endswith('frac') and value.dim() else value
        for name, value in network.state_dict().items()
    }
    other = quantise(random_tiny(7), 'chain')
    other.load_state_dict(state, strict=True)
    assert all(torch.equal(a, b) for a, b in zip(raw_network(other)(images), network(images), strict=True))


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize(('optimiser', 'act'), [(torch.optim.SGD, nn.ReLU), (torch.optim.AdamW, nn.SiLU)])
def test_training_moves_weights_and_no_scale(form, optimiser, act):
    network = quantised_tiny(form, act=act).train()
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
        assert fixed == name.endswith(('frac', 'fracs', 'shifts', 'zero', 'quarters'))
        assert torch.equal(value, before[name]) == torch.equal(network.state_dict()[name], before[name]) == fixed
    integers, images = by_hand(average.module, form, act), random_images(2, 9)
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
@pytest.mark.parametrize('act', ACTS[:2])
def test_the_plain_form_has_the_same_values_and_nothing_of_brevitas(form, act, images=4):
    network, inputs = quantised_tiny(form, act=act), random_images(images, 9)
    plain = copy.deepcopy(network)
    make_plain(plain)
    kinds = {type(module).__module__.split('.')[0] for module in plain.modules()}
    assert 'brevitas' not in kinds and not any(isinstance(x, RebuiltConv2d) for x in plain.modules())
    assert all(torch.equal(a, b) for a, b in zip(plain(inputs), network(inputs), strict=True))
