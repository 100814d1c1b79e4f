"""The layers of a network as tasks of the accelerator, and the forms in which Tensor-Train layers run. Ours.

``dense`` fetches the dense kernel, ``chain`` runs the cores one after another as convolutions, ``rebuild`` fetches the
cores and rebuilds the dense kernel on the chip.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from detplug.errors import UserError

from ..compiler.elementwise import ElementTask
from ..compiler.lowering import lower
from ..compiler.network import Task, network_tasks
from ..compiler.placement import place_maps
from ..compiler.task import ConvTask, Cores
from ..integers.integer_network import Concat, Conv, Format, IntegerNetwork, Op
from ..integers.map_shapes import map_shapes

FORMS = ('dense', 'chain', 'rebuild')


@dataclass(frozen=True)
class Layer:
    """What an operation is, whatever form it runs in.

    Attributes:
        name: of the map that it makes, or of the concatenation for which it copies a map.
        task: a convolution keeps its cores.
        more: tasks that follow it: the second step of a pooling.
    """

    name: str
    task: Task
    more: tuple[Task, ...] = ()

    @property
    def is_conv(self) -> bool:
        """Whether it multiplies; the others add, pool, spread or copy."""
        return isinstance(self.task, ConvTask)

    @property
    def ranks(self) -> tuple[int, ...]:
        """(r1, r2), of a pair (r,); empty for a dense layer."""
        cores = getattr(self.task, 'cores', None)
        return () if cores is None else tuple(x for x in (cores.first_rank, cores.last_rank) if x is not None)

    def tasks(self, form: str) -> tuple[Task, ...]:
        """The tasks as which it runs alone; one without cores runs as it is.

        Raises:
            UserError: an unknown form.
        """
        check_form(form)
        if form == 'rebuild' or getattr(self.task, 'cores', None) is None:
            return (self.task, *self.more)
        return (replace(self.task, cores=None),) if form == 'dense' else tuple(chain(self.task))


def check_form(form: str) -> None:
    """Refuse a form that is none of FORMS.

    Raises:
        UserError: it is named.
    """
    if form not in FORMS:
        raise UserError(f'form: {form}: not known; take one of {", ".join(FORMS)}')


def layers_of(network: IntegerNetwork, n: int = 16) -> list[Layer]:
    """The operations in order of execution, with the copies that concatenations need on an array of n x n.

    A pooling, which runs in two steps, is one layer; an addition that a convolution does is none.

    Raises:
        UserError: an operation that the accelerator cannot run.
    """
    sizes = map_shapes(network)
    for op in network.ops:
        if isinstance(op, Concat):
            check_concat(op.name, {name: sizes[name] for name in op.sources})
    network = lower(network, n).network
    sizes = map_shapes(network)
    entries, tasks, copies = [], network_tasks(network), place_maps(network, n).copies
    for op in network.ops:
        if isinstance(op, Concat):
            signed = dict.fromkeys(('signed_in', 'signed_out'), network.formats[op.name].signed)
            entries += [Layer(op.name, ElementTask(op.name, *sizes[source], **signed)) for source, _ in copies[op.name]]
        elif tasks[op.name]:
            entries.append(Layer(op.name, tasks[op.name][0], tasks[op.name][1:]))
    return entries


def check_concat(name: str, sources: Mapping[str, tuple[int, int, int]]) -> None:
    """Refuse a concatenation of maps of several sizes.

    Raises:
        UserError: it is named.
    """
    sizes = {size[1:] for size in sources.values()}
    if len(sizes) > 1:
        maps = ' and '.join(f'{rows}x{cols}' for rows, cols in sorted(sizes))
        raise UserError(f'{name}: maps of {maps}; a concatenation needs one size')


def at_side(network: IntegerNetwork, side: int) -> IntegerNetwork:
    """The network for square images of ``side`` pixels."""
    return replace(network, input_shape=(network.input_shape[0], side, side))


def conv_layer(
    name: str, channels: tuple[int, int], kernel: int, stride: int, size: tuple[int, int], ranks: tuple[int, ...] = ()
) -> Layer:
    """One convolution from its shapes alone.

    Args:
        channels: input, output.
        size: (rows, cols) of the input; padding keeps it, but for the stride.
        ranks: (r1, r2), (r,), or none for a dense layer.
    """
    cores = Cores(ranks[0] if len(ranks) > 1 else None, ranks[-1], 0, 0) if ranks else None
    return Layer(name, ConvTask(name, *channels, *size, (kernel, kernel), stride, kernel // 2, False, False, 0, cores))


def chain(task: ConvTask) -> Iterator[ConvTask]:
    """The cores as convolutions, signed 8 bits between them; of a pair the first has stride and padding."""
    first, last = task.cores.first_rank, task.cores.last_rank
    inner, point = dict(shift=0, signed_out=True, look_up=False), dict(kernel=(1, 1), stride=1, padding=0)
    if first is None:
        yield replace(task, cores=None, out_channels=last, **inner)
    else:
        yield replace(task, cores=None, out_channels=first, **inner, **point)
        yield replace(task, cores=None, in_channels=first, out_channels=last, signed_in=True, **inner)
    yield replace(task, cores=None, in_channels=last, in_rows=task.rows, in_cols=task.cols, signed_in=True, **point)


def in_form(network: IntegerNetwork, form: str) -> dict[str, tuple[Op, ...]]:
    """Name of each operation -> the operations as which it runs in a form.

    In ``chain`` the cores of NAME make the maps NAME.0, NAME.1 and NAME, signed 8 bits between them.

    Raises:
        UserError: an unknown form.
    """
    check_form(form)
    ops: dict[str, tuple[Op, ...]] = {}
    for op in network.ops:
        if not isinstance(op, Conv) or op.cores is None or form == 'rebuild':
            ops[op.name] = (op,)
        elif form == 'dense':
            ops[op.name] = (replace(op, cores=None),)
        else:
            ops[op.name] = tuple(chain_of(op, network.formats[op.sources[0]]))
    return ops


def chain_of(op: Conv, source: Format) -> Iterator[Conv]:
    """A convolution with cores as the convolutions of its cores; their scales are of no account here."""
    cores, inner = op.cores, Format(source.frac, signed=True)
    point, spatial = dict(stride=1, padding=0), dict(stride=op.stride, padding=op.padding)
    kernels = [(cores.first[:, :, None, None], point)]
    if cores.middle is not None:
        kernels.append((cores.middle, spatial))
    elif spatial != point:
        kernels = [(cores.first[:, :, None, None], spatial)]
    for index, (weight, fields) in enumerate(kernels):
        sources = op.sources if index == 0 else (f'{op.name}.{index - 1}',)
        bias = np.zeros(len(weight), np.int32)
        yield Conv(f'{op.name}.{index}', sources, weight.astype(np.int8), 0, bias, out=inner, **fields)
    weight = cores.last[:, :, None, None].astype(np.int8)
    yield replace(op, sources=(f'{op.name}.{len(kernels) - 1}',), weight=weight, cores=None, **point)
