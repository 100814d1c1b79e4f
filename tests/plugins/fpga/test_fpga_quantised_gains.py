"""Gains of maps: what the network puts out stays as it is, and 8 bits lose less of it."""

import copy

import pytest
import torch
from torch import nn

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed')

from tiny_quantised import quantised_tiny, random_images, random_tiny

from plugins.fpga.quantised import calibration, gains
from plugins.fpga.quantised.gains import QUARTERS, apply_gains, choose_gains, fixed_groups
from plugins.fpga.quantised.replace import FORMS, quantise
from plugins.fpga.quantised.scales import map_groups
from plugins.fpga.quantised.structure import read_structure
from plugins.fpga.quantised.watching import in_float

ACTS = [nn.ReLU, nn.SiLU, nn.LeakyReLU, nn.Hardswish]


def float_outputs(network: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad(), in_float(network, map_groups(network, read_structure(network))):
        return [x.double() for x in network(images)]


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('act', ACTS)
def test_gains_leave_the_outputs_and_multiply_the_maps(form, act):
    network, images = quantise(random_tiny(0, act), form), random_images()
    structure, exact = read_structure(network), float_outputs(network, images)
    groups = [name for name in map_groups(network, structure) if name not in fixed_groups(network, structure)]
    chosen = {name: 1 + index % 3 for index, name in enumerate(groups)}
    maps = []
    network.chain.conv.register_forward_hook(lambda *given: maps.append(given[2]))  # returns None: the map stays
    float_outputs(network, images)
    apply_gains(network, structure, chosen)
    for mine, theirs in zip(float_outputs(network, images), exact, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    name = 'chain.activate' if act is nn.ReLU else 'chain.activate.before'
    gain = 2 ** (chosen[structure.shared.of(name) if act is nn.ReLU else name] / 4)
    torch.testing.assert_close(maps[1], maps[0] * gain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(('form', 'least'), [('chain', 0.2), ('rebuild', 0.1)])
@pytest.mark.parametrize('act', ACTS[:2])
def test_with_gains_8_bits_lose_less_of_the_outputs(form, least, act, monkeypatch):
    lost = {True: [], False: []}
    for with_gains, logarithms in lost.items():
        if not with_gains:
            monkeypatch.setattr(gains, 'QUARTERS', (0,))
        for seed in range(4):
            network, images = quantise(random_tiny(seed, act), form), random_images(32, seed + 50)
            exact = float_outputs(network, images)
            calibration.calibrate(network, [random_images(32, seed + 9), random_images(32, seed + 10)])
            with torch.no_grad():
                logarithms += [(x - y).square().mean().log() for x, y in zip(network(images), exact, strict=True)]
    assert torch.stack(lost[True]).mean() < torch.stack(lost[False]).mean() - least


def test_the_gain_is_the_one_that_fills_the_range():
    network = quantise(random_tiny(), 'chain')
    structure = read_structure(network)
    chosen, errors = choose_gains(network, structure, [random_images()])
    assert set(chosen.values()) <= set(QUARTERS) and len(set(chosen.values())) > 1
    apply_gains(network, structure, chosen)
    again, left = choose_gains(network, read_structure(network), [random_images()])
    assert list(again.values()).count(0) > len(again) / 2  # what is left is of rounding, clipping, or the same range
    assert errors.keys() == left.keys() == map_groups(network, structure).keys()


def test_the_image_and_what_several_activations_read_keep_their_values():
    network = quantise(random_tiny(), 'chain')
    structure = read_structure(network)
    assert fixed_groups(network, structure) == {structure.shared.of('input')}
    assert structure.shared.of('input') not in choose_gains(network, structure, [random_images()])[0]


def test_a_checkpoint_from_before_maps_had_gains_is_read():
    network, images = quantised_tiny('chain', act=nn.SiLU), random_images()
    state = {name: value for name, value in network.state_dict().items() if not name.endswith('_quarters')}
    assert len(state) < len(network.state_dict())
    other = quantise(random_tiny(7, nn.SiLU), 'chain')
    other.load_state_dict(state, strict=True)
    plain = copy.deepcopy(network)
    for name, value in plain.state_dict().items():
        if name.endswith('_quarters'):
            value.zero_()
    assert all(torch.equal(a, b) for a, b in zip(other(images), plain(images), strict=True))
