"""Small integer networks with every operation, of random sizes."""

import numpy as np
from hypothesis import strategies as st

from plugins.fpga.hardware.sizes import Sizes
from plugins.fpga.integers.integer_network import Add, Concat, Conv, Format, IntegerNetwork, MaxPool, Upsample
from plugins.fpga.integers.tt_kernel import TTKernel

SIZES = Sizes(
    4, activations=768, weights=2048, sums=64, biases=16, results=384, residuals=192
)  # most maps are cut into tiles
FORM = Format(4, False)


def int8(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.int8)


def conv(name, source, into, out, kernel=1, stride=1, ranks=(), form=FORM, padding=None) -> Conv:
    cores = None
    if ranks:
        middle = int8(ranks[1], ranks[0], kernel, kernel) if len(ranks) > 1 else None
        cores = TTKernel(int8(ranks[0], into), middle, int8(out, ranks[-1]), 0, 0)
    padding = kernel // 2 if padding is None else padding
    return Conv(
        name, (source,), int8(out, into, kernel, kernel), 4, np.zeros(out, np.int32), stride, padding, form, cores
    )  # fmt: skip


@st.composite
def networks(draw) -> IntegerNetwork:
    """A stem, a sum, a pool, an upsampling, a concatenation that has to copy, a head; some layers with cores."""
    width, rank = draw(st.sampled_from([4, 8, 12])), st.integers(1, 9)
    pair, triple = st.just(()) | st.tuples(rank), st.just(()) | st.tuples(rank, rank)
    stem = draw(st.sampled_from([(6, 2, 2), (3, 2, 1), (3, 1, 1)]))
    ops = [
        conv('stem', 'x', 3, width, stem[0], stem[1], draw(triple), padding=stem[2]),
        conv('a', 'stem', width, width, 3, 1, draw(triple)),
        Add('sum', ('a', 'stem'), Format(3, False)),
        conv('half', 'sum', width, 8, 3, 2, draw(triple)),
        MaxPool('pool', ('half',), draw(st.sampled_from([3, 5]))),
        Upsample('up', ('pool',), 2),
        conv('b', 'sum', width, 8, 1, 1, draw(pair)),
        Concat('cat', ('up', 'b')),
        conv('c', 'cat', 16, 6, 1, 1, draw(pair)),
        Concat('again', ('b', 'c')),  # 'b' lies in 'cat' already
        conv('head', 'again', 14, 5, 1, 1, draw(pair), None),
    ]
    side = 8 * draw(st.integers(1, 3))
    return IntegerNetwork('x', Format(8, False), (3, side, 2 * side), tuple(ops), ('head',))
