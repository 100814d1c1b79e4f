"""A small network with everything that a quantised one may have, and the same by hand in integers."""

import numpy as np
import torch
from torch import nn

from plugins.fpga.integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork, MaxPool, Upsample
from plugins.fpga.integers.number_format import Table
from plugins.fpga.integers.tt_kernel import TTKernel
from plugins.fpga.quantised.calibration import calibrate
from plugins.fpga.quantised.replace import quantise
from plugins.tensor_train.tt_conv import TTConv2d

SIDE = 16


class ConvReLU(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, conv: nn.Module, channels: int):
        super().__init__()
        self.conv, self.bn, self.activate = conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.activate(self.bn(self.conv(x)))


class Block(nn.Module):
    """A convolution whose result is added to what it reads."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = ConvReLU(nn.Conv2d(channels, channels, 3, padding=1, bias=False), channels)

    def forward(self, x):
        return x + self.conv(x)


class Tiny(nn.Module):
    """Stem, sum, concatenation, Tensor-Train chain and pair, pooling, upsampling, two results."""

    def __init__(self):
        super().__init__()
        self.stem = ConvReLU(nn.Conv2d(3, 6, 6, stride=2, padding=2, bias=False), 6)
        self.block = Block(6)
        self.short = ConvReLU(nn.Conv2d(6, 4, 1), 4)
        self.chain = ConvReLU(TTConv2d(10, 8, 3, (5, 4), stride=2, padding=1, bias=False), 8)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.pair = ConvReLU(TTConv2d(16, 7, 1, (3,), bias=True), 7)
        self.heads = nn.ModuleList([nn.Conv2d(7, 5, 1), nn.Conv2d(8, 5, 1)])

    def forward(self, x):
        x = self.stem(x)
        x = self.chain(torch.cat([self.block(x), self.short(x)], 1))
        both = torch.cat([self.pool(x), x], 1)
        return self.heads[0](self.pair(nn.functional.interpolate(both, scale_factor=2.0))), self.heads[1](x)


def random_tiny(seed: int = 0, act: type[nn.Module] = nn.ReLU) -> Tiny:
    """Float, in eval mode, with batch norms that do something, and activations ``act``."""
    torch.manual_seed(seed)
    network = Tiny()
    for module in list(network.modules()):
        if isinstance(module, ConvReLU):
            module.activate = act(inplace=True)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.05, 0.5)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return network.eval()


def random_images(count: int = 3, seed: int = 0, side: int = SIDE) -> torch.Tensor:
    """(count, 3, side, side) of pixels / 255."""
    pixels = torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(seed))
    return pixels / 255


def quantised_tiny(form: str, seed: int = 0, act: type[nn.Module] = nn.ReLU, per_channel: bool = True) -> Tiny:
    """Calibrated on random images."""
    network = quantise(random_tiny(seed, act), form)
    calibrate(network, [random_images(seed=seed)], per_channel)
    return network


def rounded(x: torch.Tensor, frac: int | np.ndarray, low: int, high: int) -> np.ndarray:
    """x * 2 ** frac, half to even, clipped; int64. A frac for each entry of the first axis, or one."""
    scale = 2.0 ** np.asarray(frac, np.float64).reshape(-1, *(1,) * (x.dim() - 1))
    return np.clip(np.rint(x.detach().numpy().astype(np.float64) * scale), low, high).astype(np.int64)


def frac(state: dict, layer: str, what: str) -> int | np.ndarray:
    """A frac of the state dict: of ``act`` or ``output`` one, of ``weight`` or ``bias`` one a channel."""
    fused = 'fused_activation_quant_proxy.' if what in ('act', 'output') else ''
    value = state[f'{layer}.{what}_quant.{fused}tensor_quant.scaling_impl.frac']
    return value.numpy().astype(np.int64) if value.dim() else int(value)


def hand_activation(state: dict, name: str, act: type[nn.Module]) -> dict:
    """``out`` and ``table`` of the convolution before the activation ``name``."""
    if act is nn.ReLU:
        return dict(out=Format(frac(state, name, 'act'), signed=False))
    before, after = (frac(state, f'{name}.{part}', 'act') for part in ('before', 'after'))
    into, out_of = (2.0 ** (int(state[f'{name}.{end}_quarters']) / 4) for end in ('input', 'output'))
    values = act()(torch.arange(-512, 512, dtype=torch.float64) * 2.0**-before / into) * out_of
    out = hand_format(state, f'{name}.after', after)
    q = rounded(values, after, out.low - out.zero, out.high - out.zero) + out.zero
    return dict(out=out, table=Table(Format(before, signed=True, bits=10), q))


def hand_format(state: dict, name: str, frac: int) -> Format:
    """Of the map that the quantiser ``name`` of an activation that is no ReLU, or of a sum of such, makes."""
    zero = state.get(f'{name}.act_quant.fused_activation_quant_proxy.tensor_quant.zero_point_impl.zero')
    return Format(frac, signed=True) if zero is None else Format(frac, signed=False, zero=int(zero))


def hand_conv(state: dict, name: str, layer: str, source: str, out: Format | None, **place) -> Conv:
    """The convolution ``layer`` from the numbers of a state dict."""
    weight_frac = frac(state, layer, 'weight')
    if out is None:
        (weight_frac,) = {*weight_frac.tolist()}
    weight = rounded(state[f'{layer}.weight'], weight_frac, -128, 127)
    bias = np.zeros(len(weight), np.int64)
    if f'{layer}.bias' in state:
        bias = rounded(state[f'{layer}.bias'], frac(state, layer, 'bias'), -(2**31), 2**31 - 1)
    return Conv(name, (source,), weight.astype(np.int8), weight_frac, bias.astype(np.int32), out=out, **place)


def hand_layer(state: dict, form: str, name: str, source: str, out: Format, table=None, **place) -> list[Conv]:
    """The Tensor-Train layer ``name`` as a chain or as the kernel that its cores make."""
    count = sum(f'{name}.conv.cores.{index}.weight' in state for index in range(3))
    cores = [f'{name}.conv.cores.{index}' for index in range(count)]
    if form == 'chain':
        ops = []
        for index, core in enumerate(cores):
            last = index == count - 1
            inner = out if last else Format(frac(state, core, 'output'), signed=True)
            fields = (place if index == 1 else {}) | (dict(table=table) if last else {})
            ops.append(hand_conv(state, name if last else core, core, source, inner, **fields))
            source = core
        return ops
    fracs, shifts = state[f'{name}.conv.core_fracs'].tolist(), state[f'{name}.conv.shifts'].tolist()
    first, *middle, last = [
        rounded(state[f'{core}.weight'], own, -128, 127).astype(np.int8) for core, own in zip(cores, fracs, strict=True)
    ]
    kernel = TTKernel(first[:, :, 0, 0], middle[0] if middle else None, last[:, :, 0, 0], *shifts)
    bias = rounded(state[f'{cores[-1]}.bias'], int(state[f'{name}.conv.bias_frac']), -(2**31), 2**31 - 1)
    weight_frac = sum(fracs) - sum(shifts)
    fields = dict(out=out, cores=kernel, table=table, **place)
    return [Conv(name, (source,), kernel.rebuild(), weight_frac, bias.astype(np.int32), **fields)]


def by_hand(network: Tiny, form: str, act: type[nn.Module] = nn.ReLU) -> IntegerNetwork:
    """What :class:`Tiny` computes, written down operation by operation."""
    state = network.state_dict()
    acts = {
        name: hand_activation(state, f'{name}.activate', act)
        for name in ('stem', 'block.block.conv', 'short', 'chain', 'pair')
    }
    total = frac(state, 'block.quant', 'act')
    total = Format(total, signed=False) if act is nn.ReLU else hand_format(state, 'block.quant', total)
    ops = (
        hand_conv(state, 'stem', 'stem.conv.layer', 'input', **acts['stem'], stride=2, padding=2),
        hand_conv(state, 'inner', 'block.block.conv.conv', 'stem', **acts['block.block.conv'], padding=1),
        Add('block', ('stem', 'inner'), total),
        hand_conv(state, 'short', 'short.conv', 'stem', **acts['short']),
        Concat('first', ('block', 'short')),
        *hand_layer(state, form, 'chain', 'first', **acts['chain'], stride=2, padding=1),
        MaxPool('pool', ('chain',), 5),
        Concat('second', ('pool', 'chain')),
        Upsample('up', ('second',)),
        *hand_layer(state, form, 'pair', 'up', **acts['pair']),
        hand_conv(state, 'result0', 'heads.0', 'pair', None),
        hand_conv(state, 'result1', 'heads.1', 'chain', None),
    )
    return IntegerNetwork('input', Format(8, signed=False), (3, SIDE, SIDE), ops, ('result0', 'result1'))
