"""The layers of a network as tasks of the accelerator, and the forms in which Tensor-Train layers run. Ours.

``dense`` fetches the dense kernel, ``chain`` runs the cores one after another as convolutions, ``rebuild`` fetches the
cores and rebuilds the dense kernel on the chip.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from detplug.errors import UserError

from ..accelerator.elementwise import ElementTask
from ..accelerator.network import network_tasks
from ..accelerator.placement import place_maps, shapes
from ..accelerator.task import ConvTask
from ..accelerator.traffic import Task
from ..integer_network import Concat, IntegerNetwork

FORMS = ('dense', 'chain', 'rebuild')


@dataclass(frozen=True)
class Layer:
    """One task of a network.

    Attributes:
        name: of the map that it makes, or of the concatenation for which it copies a map.
        task: a convolution keeps its cores, whatever form it will run in.
    """

    name: str
    task: Task

    @property
    def is_conv(self) -> bool:
        """Whether it multiplies; the others add, pool, spread or copy."""
        return isinstance(self.task, ConvTask)

    @property
    def ranks(self) -> tuple[int, ...]:
        """(r1, r2), of a pair (r,); empty for a dense layer."""
        cores = getattr(self.task, 'cores', None)
        return () if cores is None else tuple(x for x in (cores.first_rank, cores.last_rank) if x is not None)


def layers_of(network: IntegerNetwork, n: int = 16) -> list[Layer]:
    """The tasks in order of execution, with the copies that concatenations need on an array of n x n.

    Raises:
        UserError: an operation that the accelerator cannot run.
    """
    try:
        copies = place_maps(network, n).copies
    except ValueError as error:
        raise UserError(f'{error}; choose another width of the array') from error
    found, tasks, sizes = [], network_tasks(network), shapes(network)
    for op in network.ops:
        if isinstance(op, Concat):
            signed = dict.fromkeys(('signed_in', 'signed_out'), network.formats[op.name].signed)
            found += [Layer(op.name, ElementTask(op.name, *sizes[source], **signed)) for source, _ in copies[op.name]]
        else:
            found += [Layer(op.name, task) for task in tasks[op.name]]
    return found


def in_form(task: Task, form: str) -> tuple[Task, ...]:
    """The tasks as which a layer runs; one without cores runs as it is.

    Raises:
        UserError: an unknown form.
    """
    if form not in FORMS:
        raise UserError(f'form: {form}: not known; take one of {", ".join(FORMS)}')
    if form == 'rebuild' or getattr(task, 'cores', None) is None:
        return (task,)
    return (replace(task, cores=None),) if form == 'dense' else tuple(chain(task))


def chain(task: ConvTask) -> Iterator[ConvTask]:
    """The cores as convolutions, signed 8 bits between them; of a pair the first has stride and padding."""
    first, last = task.cores.first_rank, task.cores.last_rank
    inner, point = dict(shift=0, signed_out=True), dict(kernel=(1, 1), stride=1, padding=0)
    if first is None:
        yield replace(task, cores=None, out_channels=last, **inner)
    else:
        yield replace(task, cores=None, out_channels=first, **inner, **point)
        yield replace(task, cores=None, in_channels=first, out_channels=last, signed_in=True, **inner)
    yield replace(task, cores=None, in_channels=last, in_rows=task.rows, in_cols=task.cols, signed_in=True, **point)
