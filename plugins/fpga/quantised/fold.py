"""Batch norms made part of the convolution before them, also of the last core of a Tensor-Train chain."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from detplug.errors import UserError

from .trace import is_layer, trace


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Fold with the statistics that the norms hold, in place; nn.Identity takes their places. Returns ``network``.

    Raises:
        UserError: a batch norm whose input is not that of one convolution, or that does not keep statistics.
    """
    graph, _ = trace(network)
    for node in list(graph.nodes):
        norm = network.get_submodule(node.target) if node.op == 'call_module' else None
        if not isinstance(norm, _BatchNorm):
            continue
        source = node.args[0]
        layer = network.get_submodule(source.target) if source.op == 'call_module' else None
        uses = sum(other.op == 'call_module' and other.target in (node.target, source.target) for other in graph.nodes)
        if layer is None or not is_layer(layer) or len(source.users) != 1 or uses != 2 or norm.running_var is None:
            raise UserError(
                f'model: {node.target}: follows no convolution of its own; such a batch norm cannot be folded'
            )
        fold(layer if isinstance(layer, nn.Conv2d) else layer.cores[-1], norm)
        network.set_submodule(node.target, nn.Identity())
    return network


@torch.no_grad()
def fold(conv: nn.Conv2d, norm: _BatchNorm) -> None:
    """Make ``conv`` what ``conv`` and then ``norm``, with its statistics, are; in place."""
    factor = (norm.running_var + norm.eps).rsqrt()
    shift = -norm.running_mean * factor
    if norm.affine:
        factor, shift = factor * norm.weight, shift * norm.weight + norm.bias
    if conv.bias is not None:
        shift = shift + conv.bias * factor
    conv.weight.mul_(factor[:, None, None, None])
    conv.bias = nn.Parameter(shift.to(conv.weight))
