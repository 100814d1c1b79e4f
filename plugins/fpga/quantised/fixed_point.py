"""Numbers q * 2 ** -frac with q an integer of few bits: rounding to them, and the choice of frac.

The rounding is half to even, as torch.round and the integer network do it; gradients pass it straight through.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

CANDIDATES = 4  # the finest frac that clips nothing, and so many less one that clip
FRACS = (-24, 24)  # where a tensor of zeros or a huge one would leave every format


def limits(signed: bool, bits: int = 8) -> tuple[int, int]:
    """Smallest and largest integer."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def scale_of(frac: Tensor) -> Tensor:
    """2 ** -frac in float32, exact; ``frac`` int32, -126 .. 126.

    The exponent bits are written directly: pow and exp2 of a vectorised library need not be exact.
    """
    return ((127 - frac) << 23).view(torch.float32)


def shifted(x: Tensor, frac: int | Tensor) -> Tensor:
    """x * 2 ** frac, exactly; ``frac`` is one number, or (O,) int32 along the first axis of ``x``."""
    if isinstance(frac, int):
        return x * 2.0**frac
    return x * scale_of(-frac).to(x).view(-1, *(1,) * (x.dim() - 1))


def to_integers(x: Tensor, frac: int | Tensor, signed: bool = True, zero: int = 0, bits: int = 8) -> Tensor:
    """The integers of ``x`` less their zero point, floating point; their gradient is that of :func:`shifted`."""
    scaled, (low, high) = shifted(x, frac), limits(signed, bits)
    return straight(scaled, scaled.round().clamp(low - zero, high - zero))


def straight(x: Tensor, rounded: Tensor) -> Tensor:
    """``rounded``, exactly, with the gradient of ``x``."""
    return rounded.detach() + (x - x.detach()) if x.requires_grad else rounded


def squared_error(
    x: Tensor,
    frac: int,
    signed: bool = True,
    curve: Callable[[Tensor], Tensor] | None = None,
    zero: int = 0,
    bits: int = 8,
) -> float:
    """Sum of squares of what is lost by ``bits`` with ``frac``; after ``curve`` where one is given."""
    rounded = to_integers(x, frac, signed, zero, bits) * 2.0**-frac
    lost = rounded - x if curve is None else curve(rounded) - curve(x)
    return float(lost.double().square().sum())


def finest_frac(largest: float, signed: bool = True, bits: int = 8) -> int:
    """The finest frac that clips no value up to ``largest``."""
    high = limits(signed, bits)[1]
    finest = math.floor(math.log2(high / largest)) if largest > 0 else high.bit_length()
    return min(max(finest, FRACS[0]), FRACS[1])


def candidates(largest: float, signed: bool = True, bits: int = 8) -> list[int]:
    """Fracs worth trying for values up to ``largest``: the finest that clips nothing, then finer ones that clip."""
    finest = finest_frac(largest, signed, bits)
    return sorted({min(finest + more, FRACS[1]) for more in range(CANDIDATES)})


def zero_point(least: float, frac: int, multiple: int = 1) -> int:
    """Of integers without a sign that hold values from ``least``, at most 0, on, and sums of ``multiple`` of them."""
    return multiple * math.ceil(-least * 2.0**frac)


def best_frac(x: Tensor, signed: bool = True, among: Iterable[int] | None = None) -> int:
    """The frac of least squared error; the coarser one of equals."""
    among = candidates(float(x.abs().max()), signed) if among is None else among
    return min(among, key=lambda frac: squared_error(x, frac, signed))


def best_fracs(weight: Tensor, per_channel: bool = True) -> Tensor:
    """(O,) int32 of a kernel (O, ...): the best frac of each output channel, or of the whole kernel for all."""
    if per_channel:
        return torch.tensor([best_frac(channel) for channel in weight], dtype=torch.int32)
    return torch.full((len(weight),), best_frac(weight), dtype=torch.int32)
