"""Additions that a convolution does with its results, so that its map never leaves the chip. Ours."""

from collections import Counter
from collections.abc import Mapping

from ..integers.integer_network import Add, Conv, IntegerNetwork


def fused_adds(network: IntegerNetwork) -> Mapping[str, Add]:
    """The convolution that does an addition -> the addition: its map has 8 bits and nothing else reads it.

    The other source must be there before the convolution runs.
    """
    readers = Counter(name for op in network.ops for name in op.sources)
    order = {op.name: index for index, op in enumerate(network.ops)} | {network.input: -1}
    convs = {op.name for op in network.ops if isinstance(op, Conv) and op.out is not None}
    fused = {}
    for op in network.ops:
        if isinstance(op, Add):
            last = max(op.sources, key=order.get)
            if last in convs and readers[last] == 1 and last not in network.outputs:
                fused[last] = op
    return fused
