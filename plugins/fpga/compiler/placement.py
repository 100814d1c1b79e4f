"""Where the maps of a network lie in the memory outside: a concatenation is its sources side by side. Ours."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

from ..integers.integer_network import Concat, IntegerNetwork, MaxPool
from ..integers.map_shapes import Shape, map_shapes
from .layout import blocks


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
    """Every map has its own place, but a source of a concatenation, which fills its blocks, lies inside the result.

    Args:
        network: lowered, see `lower`.
        without: maps that have no place.
    """
    sizes, inside, copied = map_shapes(network), {}, {}
    for op in network.ops:
        if not isinstance(op, Concat):
            continue
        offset, copied[op.name] = 0, []
        for name in op.sources:
            channels, *size = sizes[name]
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
    return blocks(channels, n) * rows * cols * (network.formats[name].bits // 8)
