"""Tensor-Train cores beside the dense kernels that are rebuilt from them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detplug.errors import UserError

from ..integers.integer_network import Conv, IntegerNetwork
from ..integers.tt_kernel import TTKernel


def attach_cores(network: IntegerNetwork, kernels: Sequence[TTKernel | None]) -> IntegerNetwork:
    """The network with ``kernels`` at its convolutions, in their order; None leaves a layer dense.

    Raises:
        UserError: another number of convolutions; a kernel whose rebuilt weight is not the layer's, named.
    """
    layers = [op for op in network.ops if isinstance(op, Conv)]
    if len(layers) != len(kernels):
        raise UserError(f'cores: {len(kernels)} kernels for {len(layers)} convolutions; give one or None for each')
    given = {op.name: kernel for op, kernel in zip(layers, kernels, strict=True) if kernel is not None}
    for op in layers:
        if op.name in given:
            check_core(op, given[op.name])
    ops = tuple(replace(op, cores=given[op.name]) if op.name in given else op for op in network.ops)
    return replace(network, ops=ops)


def check_core(op: Conv, kernel: TTKernel) -> None:
    """Refuse cores that are not the layer's.

    Raises:
        UserError: the rebuilt kernel has another shape or other values.
    """
    rebuilt = kernel.rebuild()
    if rebuilt.shape != op.weight.shape:
        problem = f'they rebuild {rebuilt.shape}, the layer has {op.weight.shape}'
    elif np.any(rebuilt != op.weight):
        problem = f"{np.count_nonzero(rebuilt != op.weight)} of {op.weight.size} rebuilt weights are not the layer's"
    else:
        return
    raise UserError(f'{op.name}: cores: {problem}; compress and quantise the detector again')
