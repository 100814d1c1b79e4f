"""Where the maps of a network lie in the memory outside: a concatenation is its sources side by side. Ours."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

from detplug.errors import UserError

from ..integers.integer_network import Concat, Conv, IntegerNetwork, MaxPool
from ..integers.map_shapes import Shape, map_shapes
from .fold_stride import can_fold
from .layout import blocks


def folds_input(network: IntegerNetwork) -> bool:
    """Whether the input is laid out for a folded stem: one convolution reads it, and can be folded."""
    readers = [op for op in network.ops if network.input in op.sources]
    return len(readers) == 1 and isinstance(readers[0], Conv) and can_fold(readers[0], *network.input_shape[1:])


@dataclass(frozen=True)
class Placement:
    """Places of maps.

    Attributes:
        starts: first word of every map.
        words: of all maps.
        scratch: first word of a map between the two steps of a pooling.
        copies: of each concatenation the sources that lie elsewhere and have to be copied: (source, first word).
    """

    starts: Mapping[str, int]
    words: int
    scratch: int
    copies: Mapping[str, tuple[tuple[str, int], ...]]


def place_maps(network: IntegerNetwork, n: int, without: Collection[str] = ()) -> Placement:
    """Every map has its own place, but a source of a concatenation that fills blocks lies inside the result.

    Args:
        without: maps that have no place.

    Raises:
        UserError: a source that does not fill its blocks, except as the last one.
    """
    sizes, inside, copied = map_shapes(network), {}, {}
    for op in network.ops:
        if not isinstance(op, Concat):
            continue
        offset, copied[op.name] = 0, []
        for index, name in enumerate(op.sources):
            channels, *size = sizes[name]
            if channels % n and index < len(op.sources) - 1:
                raise UserError(f'{op.name}: {name} has {channels} channels; choose a multiple of {n}, the array')
            if name in inside or name == network.input:
                copied[op.name].append((name, offset))
            else:
                inside[name] = op.name, offset
            offset += blocks(channels, n) * prod(size)
    starts, words = {}, 0
    for name in reversed([name for name in sizes if name not in without]):  # a concatenation before its sources
        if name in inside:
            whole, offset = inside[name]
            starts[name] = starts[whole] + offset
        else:
            starts[name] = words
            words += map_size(network, name, sizes[name], n)
    copies = {op: tuple((name, starts[op] + offset) for name, offset in sources) for op, sources in copied.items()}
    pools = [map_size(network, op.name, sizes[op.name], n) for op in network.ops if isinstance(op, MaxPool)]
    return Placement(starts, words + max(pools, default=0), words, copies)


def map_size(network: IntegerNetwork, name: str, shape: Shape, n: int) -> int:
    """Words of a map of 8 or 32 bits."""
    channels, rows, cols = shape
    if name == network.input and folds_input(network):
        channels, rows, cols = 4 * channels, rows // 2, cols // 2
    return blocks(channels, n) * rows * cols * (network.formats[name].bits // 8)
