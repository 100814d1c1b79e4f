"""Zero points of maps that are added: multiples that fit, in torch, in integers and in the accelerator's program."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from detplug.errors import UserError

pytest.importorskip('brevitas')
from tiny_quantised import ConvReLU, quantised_tiny, random_images, random_tiny  # noqa: E402

from plugins.fpga.compiler.elementwise import residual_of  # noqa: E402
from plugins.fpga.integers.integer_network import Add, Format  # noqa: E402
from plugins.fpga.quantised import structure  # noqa: E402
from plugins.fpga.quantised.calibration import calibrate  # noqa: E402
from plugins.fpga.quantised.quantisers import zero_of  # noqa: E402
from plugins.fpga.quantised.raw_network import raw_network  # noqa: E402
from plugins.fpga.quantised.replace import quantise  # noqa: E402
from plugins.fpga.quantised.scales import map_quantisers  # noqa: E402
from plugins.fpga.quantised.shared import Shared  # noqa: E402
from plugins.fpga.quantised.structure import read_structure  # noqa: E402
from plugins.fpga.quantised.zero_points import zero_multiples  # noqa: E402


def shared(*sets: tuple[str, ...]) -> Shared:
    same = Shared()
    for names in sets:
        same.join(names)
    return same


CHAIN = {'s': ('x', 'f'), 't': ('s', 'g'), 'u': ('t', 'h')}


@pytest.mark.parametrize(
    ('sums', 'sets', 'multiples'),
    [
        ({}, (), {}),
        (CHAIN, (), dict(s=2, t=3, u=4)),
        (CHAIN, (('u', 'short'),), dict(s=2, t=3, u=4, short=4)),
        ({'s': ('x', 'f'), 't': ('x', 'g'), 'u': ('t', 'h')}, (('s', 'u'),), dict(t=2, s=3, f=2)),
        ({'s': ('x', 'x')}, (), dict(s=2)),
        ({'s': ('x', 'f')}, (('s', 'x'),), None),
        (CHAIN, (('t', 'f'),), None),
    ],
)
def test_a_sum_has_the_zero_points_of_its_sources_together(sums, sets, multiples):
    same = shared(*sets)
    found = zero_multiples(sums, same)
    assert (found is None) == (multiples is None)
    if found is not None:
        assert all(found.get(same.of(name), 1) == value for name, value in multiples.items())
        for name, sources in sums.items():
            assert found[same.of(name)] == sum(found.get(same.of(source), 1) for source in sources)


class Blocks(nn.Module):
    """Three residual blocks; with ``dense`` their sums are concatenated with what they are made of."""

    def __init__(self, dense: bool):
        super().__init__()
        layers = [ConvReLU(nn.Conv2d(into, 4, 3, padding=1, bias=False), 4) for into in (3, 4, 4, 4)]
        for layer in layers:
            layer.activate = nn.SiLU()
        self.stem, *blocks = layers
        self.blocks, self.dense = nn.ModuleList(map(Residual, blocks)), dense
        self.head = nn.Conv2d(8 if dense else 4, 5, 1)

    def forward(self, x):
        x = first = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return (self.head(torch.cat([x, first], 1) if self.dense else x),)


class Residual(nn.Module):
    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return x + self.layer(x)


@pytest.mark.parametrize('dense', [False, True])
def test_sums_of_silus_have_no_sign_where_multiples_fit(dense):
    torch.manual_seed(0)
    network = quantise(Blocks(dense).eval())
    calibrate(network, [random_images()])
    zeros = {name: zero_of(proxy) for name, proxy in map_quantisers(network) if name.startswith('blocks')}
    if dense:
        assert set(zeros.values()) == {None}
        return
    unit = int(zero_of(network.stem.activate.after.act_quant))
    sums = [int(zeros[f'blocks.{index}.quant']) for index in range(3)]
    assert unit > 0 and sums == [2 * unit, 3 * unit, 4 * unit]
    assert read_structure(network).sums.keys() == {f'blocks.{index}.block' for index in range(3)}


def test_a_zero_point_that_does_not_fit_is_refused():
    network = quantised_tiny('chain', act=nn.SiLU)
    zero_of(network.block.quant.act_quant).add_(1)
    with pytest.raises(UserError, match='^model: block.quant: zero point .*; calibrate it again$'):
        raw_network(network)


def test_the_accelerator_refuses_a_sum_with_another_zero_point():
    sources = Format(4, False, zero=3), Format(4, False, zero=5)
    assert residual_of(Add('sum', ('a', 'b'), Format(3, False, zero=4)), sources).shift == 1
    with pytest.raises(UserError, match='^sum: zero point: 3; must be 4, '):
        residual_of(Add('sum', ('a', 'b'), Format(3, False, zero=3)), sources)
    odd = Format(4, False, zero=3), Format(4, False, zero=4)
    with pytest.raises(UserError, match='must be 3.5, '):
        residual_of(Add('sum', ('a', 'b'), Format(3, False, zero=3)), odd)


def test_integers_are_added_above_their_zero_points():
    from plugins.fpga.integers.integer_network import IntegerNetwork, run_op

    forms = [Format(4, False, zero=3), Format(4, False, zero=5)]
    op = Add('sum', ('a', 'b'), Format(4, False, zero=8))
    made = run_op(op, [np.array([[[[0, 3, 255]]]]), np.array([[[[0, 5, 6]]]])], forms)
    assert made.ravel().tolist() == [0, 8, 255]
    halved = run_op(replace(op, out=Format(3, False, zero=4)), [np.array([[[[4, 5]]]]), np.array([[[[5, 6]]]])], forms)
    assert halved.ravel().tolist() == [4, 6]  # 4.5 and 5.5: even with the zero point, as the Quant node rounds
    with pytest.raises(ValueError, match='several formats'):
        IntegerNetwork(
            'a',
            Format(4, False),
            (1, 1, 1),
            (Add('s', ('a', 'a'), forms[0]), Add('t', ('a', 's'), Format(3, False)), Add('u', ('s', 't'), forms[0])),
            ('u',),
        )


def test_a_checkpoint_whose_sums_had_a_sign_is_refused(monkeypatch):
    monkeypatch.setattr(structure, 'zero_multiples', lambda sums, same: None)
    old = quantised_tiny('chain', act=nn.SiLU).state_dict()
    monkeypatch.undo()
    network = quantise(random_tiny(act=nn.SiLU))
    network.load_state_dict(old, strict=False)
    with pytest.raises(
        UserError, match='^model: stem.activate: zero point 0, which does not fit .*; calibrate it again$'
    ):
        raw_network(network)
