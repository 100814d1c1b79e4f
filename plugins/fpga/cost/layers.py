"""The layers of a network as tasks of the accelerator, from shapes alone, and the forms in which they run. Ours.

A task with cores is a Tensor-Train layer. Its forms: ``dense`` fetches the dense kernel, ``chain`` runs the cores one
after another as convolutions, ``rebuild`` fetches the cores and rebuilds the dense kernel on the chip.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from detplug.errors import UserError

from ..accelerator.elementwise import ElementTask
from ..accelerator.network import Task, network_tasks
from ..accelerator.placement import place_maps, shapes
from ..accelerator.task import ConvTask, Cores
from ..integer_network import IntegerNetwork

FORMS = 'dense', 'chain', 'rebuild'
Layers = Mapping[str, tuple[Task, ...]]


def layers_of(network: IntegerNetwork) -> dict[str, tuple[Task, ...]]:
    """Tasks of every operation by name; of a concatenation the copies of sources that lie elsewhere."""
    found, sizes = network_tasks(network), shapes(network)
    for name, copies in place_maps(network, 1).copies.items():
        found[name] = tuple(ElementTask(name, *sizes[source]) for source, _ in copies)
    return found


def layers_of_model(model: nn.Module, side: int) -> dict[str, tuple[Task, ...]]:
    """Tasks of the convolutions of a detector by name, in order of execution, of one image of ``side`` px.

    Only convolutions are counted: additions, pooling and upsampling take time too, see :func:`layers_of`. A layer with
    ``cores`` and ``weight`` is a Tensor-Train layer. The first convolution is dense and, where it can be, folded
    (accelerator.fold_stride). Batch norms are counted as part of the convolutions.

    Args:
        model: a detector whose head has ``raw_predictions``, or any module of one image tensor.

    Raises:
        UserError: a convolution that the accelerator cannot run.
    """
    layers = {name: x for name, x in model.named_modules() if is_layer(x)}
    inside = {f'{name}.{part}' for name, x in layers.items() for part, _ in x.named_modules() if part}
    calls: list[tuple[str, Tensor, Tensor]] = []
    handles = [
        layer.register_forward_hook(lambda _, given, made, name=name: calls.append((name, given[0], made)))
        for name, layer in layers.items()
        if name not in inside
    ]
    try:
        with torch.no_grad():
            outputs = run(model, side)
    finally:
        for handle in handles:
            handle.remove()
    found: dict[str, tuple[Task, ...]] = {}
    for index, (name, given, made) in enumerate(calls):
        is_last = any(made is x for x in outputs)
        task = layer_task(name, layers[name], tuple(given.shape[2:]), is_last)
        found[name] = *found.get(name, ()), fold(task) if index == 0 else task
    return found


def is_layer(module: nn.Module) -> bool:
    """Whether it is a convolution or a Tensor-Train layer."""
    return isinstance(module, nn.Conv2d) or (hasattr(module, 'cores') and hasattr(module, 'weight'))


def run(model: nn.Module, side: int) -> tuple[Tensor, ...]:
    """The outputs of a network for one image."""
    first = next(model.parameters(), torch.zeros(()))
    images = torch.zeros(1, 3, side, side, dtype=first.dtype, device=first.device)
    head = getattr(model, 'bbox_head', None)
    outputs = head.raw_predictions(model.extract_feat(images)) if hasattr(head, 'raw_predictions') else model(images)
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def layer_task(name: str, layer: nn.Module, size: tuple[int, int], is_last: bool) -> ConvTask:
    """Of a layer on a map of ``size``; the last ones of a network leave 32-bit sums.

    Raises:
        UserError: groups, dilation, or a stride or padding that the accelerator does not have.
    """
    core = getattr(layer, 'cores', None)
    strided = layer if core is None else core[0 if len(core) == 2 else 1]
    stride, padding = strided.stride, strided.padding
    plain = len({*stride}) == 1 and not isinstance(padding, str) and len({*padding}) == 1 and {*strided.dilation} == {1}
    if not plain or strided.groups != 1 or stride[0] not in (1, 2):
        raise UserError(f'model: {name}: groups, dilation, stride or padding the accelerator lacks; choose another layer')
    out, into, *kernel = layer.weight.shape
    cores = None
    if core is not None:
        ranks = [x.out_channels for x in core[:-1]]
        cores = Cores(ranks[0] if len(ranks) == 2 else None, ranks[-1], 0, 0)
    shift = None if is_last else 0
    return ConvTask(name, into, out, *size, tuple(kernel), stride[0], padding[0], False, is_last, shift, cores)


def fold(task: ConvTask) -> ConvTask:
    """The stem: dense, and as accelerator.fold_stride has it where kernel, padding and map are cut into pairs."""
    task = replace(task, cores=None)
    if task.stride != 2 or any(size % 2 for size in (*task.kernel, task.padding, task.in_rows, task.in_cols)):
        return task
    kernel = task.kernel[0] // 2, task.kernel[1] // 2
    size = dict(in_rows=task.in_rows // 2, in_cols=task.in_cols // 2, padding=task.padding // 2)
    return replace(task, in_channels=4 * task.in_channels, kernel=kernel, stride=1, **size)


def in_form(task: Task, form: str) -> tuple[Task, ...]:
    """The tasks as which a layer runs; a layer without cores runs as it is.

    Raises:
        UserError: an unknown form.
    """
    if form not in FORMS:
        raise UserError(f'cost: form: {form!r}; one of {", ".join(FORMS)}')
    if form == 'rebuild' or not isinstance(task, ConvTask) or task.cores is None:
        return (task,)
    return (replace(task, cores=None),) if form == 'dense' else chain(task)


def chain(task: ConvTask) -> tuple[ConvTask, ...]:
    """The cores as convolutions, signed 8 bits between them."""
    first, last = task.cores.first_rank, task.cores.last_rank
    inner = dict(shift=0, signed_out=True, cores=None)
    end = dict(in_channels=last, in_rows=task.rows, in_cols=task.cols, kernel=(1, 1), stride=1, padding=0)
    second = replace(task, signed_in=True, cores=None, **end)
    if first is None:
        return replace(task, out_channels=last, **inner), second
    point = dict(out_channels=first, kernel=(1, 1), stride=1, padding=0)
    middle = replace(task, in_channels=first, out_channels=last, signed_in=True, **inner)
    return replace(task, **point, **inner), middle, second
