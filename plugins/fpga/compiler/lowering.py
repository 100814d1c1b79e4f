"""A network as the accelerator lays it out: its stem folded, sources of concatenations filled up to whole blocks. Ours.

Both change how maps lie in memory, none of their numbers: a `View` reads a map of the network out of what lies there.
A source that does not fill its last block gets channels of zeros; the convolutions that read it get weights of zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detplug.errors import UserError

from ..integers.integer_network import Add, Concat, Conv, IntegerNetwork, Op
from ..integers.map_shapes import map_shapes
from .fold_stride import fold_map, fold_stem, unfold_map
from .layout import blocks


def spread(x: np.ndarray, lanes: Sequence[int], width: int) -> np.ndarray:
    """Channels (C, ...) at the places ``lanes`` of ``width``, zeros between them."""
    made = np.zeros((width, *x.shape[1:]), x.dtype)
    made[lanes] = x
    return made


@dataclass(frozen=True)
class View:
    """Where the channels of a map are.

    Attributes:
        lanes: (C,) int64, place of each channel; of a folded map of each of its 4 C channels.
        width: how many places there are.
        folded: whether squares of 2x2 pixels lie side by side as channels.
    """

    lanes: np.ndarray
    width: int
    folded: bool = False

    def write(self, x: np.ndarray) -> np.ndarray:
        """The map (C, H, W) as it lies there."""
        return spread(fold_map(x) if self.folded else x, self.lanes, self.width)

    def read(self, x: np.ndarray) -> np.ndarray:
        """The map (C, H, W) of what lies there."""
        x = x[self.lanes]
        return unfold_map(x) if self.folded else x


@dataclass(frozen=True)
class Lowered:
    """What the accelerator runs in place of a network.

    Attributes:
        network: with operations of the same names.
        views: of every map.
    """

    network: IntegerNetwork
    views: Mapping[str, View]


def lower(network: IntegerNetwork, n: int) -> Lowered:
    """For an array of n x n.

    Raises:
        UserError: a sum of maps whose channels cannot lie at the same places.
    """
    network, folded = fold_stem(network)
    filled, views = fill(network, n)
    return Lowered(filled, {name: replace(view, folded=name in folded) for name, view in views.items()})


def maps_to_fill(network: IntegerNetwork) -> set[str]:
    """Maps whose last block must be whole: a map lies behind them in a concatenation."""
    names: set[str] = set()
    while True:
        before = len(names)
        for op in network.ops:
            if isinstance(op, Concat):
                names.update(op.sources if op.name in names else op.sources[:-1])
            elif isinstance(op, Add):
                if names.intersection((op.name, *op.sources)):
                    names.update((op.name, *op.sources))
            elif not isinstance(op, Conv) and op.name in names:
                names.update(op.sources)
        if len(names) == before:
            return names


def fill(network: IntegerNetwork, n: int) -> tuple[IntegerNetwork, dict[str, View]]:
    """The network with whole blocks where a concatenation needs them, and the views of all maps.

    Raises:
        UserError: as :func:`lower`.
    """
    to_fill, shapes = maps_to_fill(network), map_shapes(network)

    def whole(name: str, channels: int) -> int:
        return n * blocks(channels, n) if name in to_fill else channels

    channels, *size = network.input_shape
    views = {network.input: View(np.arange(channels), whole(network.input, channels))}
    ops: list[Op] = []
    for op in network.ops:
        sources = [views[name] for name in op.sources]
        if isinstance(op, Conv):
            width = whole(op.name, len(op.weight))
            views[op.name] = View(np.arange(len(op.weight)), width)
            op = fill_conv(op, sources[0], width)
        elif isinstance(op, Concat):
            views[op.name] = side_by_side(sources)
        else:
            if any(view.width != sources[0].width or np.any(view.lanes != sources[0].lanes) for view in sources):
                counts = ' and '.join(f'{name} ({shapes[name][0]} channels)' for name in op.sources)
                raise UserError(f'{op.name}: {counts} lie differently in blocks of {n}; choose multiples of {n}')
            views[op.name] = sources[0]
        ops.append(op)
    shape = views[network.input].width, *size
    return IntegerNetwork(network.input, network.input_format, shape, tuple(ops), network.outputs), views


def side_by_side(sources: list[View]) -> View:
    """Of a concatenation."""
    offsets = np.cumsum([0, *(view.width for view in sources)])
    lanes = [view.lanes + offset for view, offset in zip(sources, offsets[:-1], strict=True)]
    return View(np.concatenate(lanes), int(offsets[-1]))


def fill_conv(op: Conv, source: View, width: int) -> Conv:
    """A convolution that reads ``source``, with output channels of zeros up to ``width``."""
    out, into = op.weight.shape[:2]
    if out == width and into == source.width:
        return op
    more = width - out

    def wider(kernel: np.ndarray) -> np.ndarray:
        """Input channels at their places."""
        return spread(kernel.swapaxes(0, 1), source.lanes, source.width).swapaxes(0, 1)

    def longer(rows: np.ndarray) -> np.ndarray:
        """Zeros for the output channels that are new."""
        return np.concatenate([rows, np.zeros((more, *rows.shape[1:]), rows.dtype)])

    frac, cores = op.weight_frac, op.cores
    if np.ndim(frac):
        frac = np.concatenate([frac, np.repeat(frac[:1], more)])
    if cores is not None:
        cores = replace(cores, first=wider(cores.first), last=longer(cores.last))
    return replace(op, weight=longer(wider(op.weight)), weight_frac=frac, bias=longer(op.bias), cores=cores)
