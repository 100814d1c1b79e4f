"""The types of hls4ml that hold the integers of a network exactly, so that C simulation cannot differ by rounding.

hls4ml infers wide types or takes one default for all; here each type follows from the format of a map or from the
weights themselves (ours). ``fixed<W, I>`` holds W bits of which I are before the binary point.
"""

from dataclasses import replace

import numpy as np

from ..integers.integer_network import Conv, Format, sum_range


def map_type(format: Format) -> str:
    """Of a map; what is written into it is rounded half to even and clipped, as the network does."""
    return f'{"" if format.signed else "u"}fixed<{format.bits},{format.bits - format.frac},RND_CONV,SAT>'


def exact_type(bits: int, frac: int) -> str:
    """Signed, ``bits`` wide, for integers q * 2 ** -frac that fit."""
    return f'fixed<{bits},{bits - frac}>'


def signed_bits(low: int, high: int) -> int:
    """Bits of the smallest signed type that holds ``low`` .. ``high``; at least 2."""
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0, 1) + 1


def one_scale(op: Conv) -> Conv:
    """The same convolution with one ``weight_frac``, the finest of all channels; its integers may be wider."""
    frac = int(op.weight_fracs.max())
    finer = frac - op.weight_fracs
    weight = op.weight.astype(np.int64) << finer[:, None, None, None]
    return replace(op, weight=weight, weight_frac=frac, bias=op.bias.astype(np.int64) << finer)


def conv_types(op: Conv, source: Format) -> dict[str, str]:
    """hls4ml's types of weights, bias, sums and result of a convolution of a map of the format ``source``."""
    op = one_scale(op)
    frac = source.frac + op.weight_frac
    sums = exact_type(signed_bits(*sum_range(op, source)), frac)
    bias = signed_bits(int(op.bias.min()), int(op.bias.max()))
    return {
        'weight': exact_type(max(8, signed_bits(int(op.weight.min()), int(op.weight.max()))), op.weight_frac),
        'bias': exact_type(bias, frac),
        'accum': sums,
        'result': sums if op.out is None else map_type(op.out),
    }
