"""Cycles of the accelerator as a kind of budget: ranks are chosen by what the hardware does. Ours."""

from functools import cache

from detplug.compression.costs import Calls, ConvShape, CostModel, CostRequest, register_cost_model
from detplug.errors import UserError

from ..bundle.settings import settings_of
from ..compiler.task import ConvTask
from ..hardware.sizes import Sizes
from .network import task_cost
from .torch_layers import layers_of_model


@register_cost_model('cycles')
def cycles(request: CostRequest) -> CostModel:
    """Cycles of one image on the accelerator that ``fpga = dict(array=...)`` of the config describes.

    Of each convolution those of the unit that works longest, by the exact model: loads and stores run beside computing.
    What the units wait for each other is not counted, as it belongs to no layer.
    Chains run as convolutions one after another, a first convolution as a chain unfolded; element-wise work and copies
    are in ``fixed``.

    Raises:
        UserError: a model or an array that the accelerator does not have a program for, or a layer that its memories
            cannot hold.
    """
    sizes = Sizes(settings_of(request.cfg).array)
    dense: dict[str, float] = {}
    for layer in layers_of_model(request.model, request.side, sizes.n):
        cost = sum(task_cost(task, sizes).cycles for task in layer.tasks('chain'))
        dense[layer.name] = dense.get(layer.name, 0) + cost
    for name in request.layers:
        if name not in dense:
            raise UserError(f'--budget-kind cycles: {name}: not a layer of the accelerator; leave it out by --modules')

    @cache
    def conv_cycles(conv: ConvShape) -> int:
        return task_cost(conv_task_of(conv), sizes).cycles

    def layer_cycles(name: str, calls: Calls) -> float:
        return sum(conv_cycles(in_blocks(conv, sizes.n)) for call in calls for conv in call)

    changing = {name: dense[name] for name in request.layers}
    return CostModel(sum(dense.values()) - sum(changing.values()), changing, layer_cycles)


def in_blocks(conv: ConvShape, n: int) -> ConvShape:
    """The convolution with its channels filled up to blocks of ``n``, as the accelerator computes it."""
    channels = (-(-count // n) * n for count in (conv.in_channels, conv.out_channels))
    return ConvShape(*channels, conv.kernel_size, conv.stride, conv.in_hw, conv.out_hw)


def conv_task_of(conv: ConvShape) -> ConvTask:
    """A convolution as a task; its padding gives the size of its output."""
    (rows, _), (kernel, _), stride = conv.in_hw, conv.kernel_size, conv.stride[0]
    padding = max((conv.out_hw[0] - 1) * stride + kernel - rows + 1, 0) // 2
    shape = conv.in_channels, conv.out_channels, *conv.in_hw, conv.kernel_size, stride, padding
    return ConvTask('', *shape, False, False, 0, None)
