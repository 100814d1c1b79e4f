"""The part of a detector that is exported: images -> raw maps of the head, the decoding cut off."""

import copy

import torch
from brevitas.nn import QuantConv2d
from torch import Tensor, nn

from detplug.errors import UserError

from ..integers.tt_kernel import TTKernel
from .layers import quantised_conv
from .plain import plain_conv
from .quantisers import frac_of
from .rebuilt_conv import RebuiltConv2d
from .scales import check_scales, convolutions
from .structure import read_structure


class RawNetwork(nn.Module):
    """Backbone, neck and the convolutions of the head of a detector, which it shares with it.

    Raises:
        UserError: a detector without backbone, or whose head has no ``raw_predictions``.
    """

    def __init__(self, detector: nn.Module):
        super().__init__()
        if not hasattr(detector, 'backbone') or not hasattr(getattr(detector, 'bbox_head', None), 'raw_predictions'):
            raise UserError(
                f'model: {type(detector).__name__}: no backbone and head with raw_predictions; take a YOLOv5Head'
            )
        self.backbone, self.bbox_head = detector.backbone, detector.bbox_head
        self.neck = getattr(detector, 'neck', None) or nn.Identity()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W), 0 .. 1 -> the maps of the head, (N, C_i, H_i, W_i)."""
        return tuple(self.bbox_head.raw_predictions(self.neck(self.backbone(images))))


def raw_network(model: nn.Module) -> nn.Module:
    """A copy of what is exported of a quantised detector, in eval mode: images (N, 3, H, W) 0 .. 1 -> raw maps.

    Only brevitas layers and torch's pooling: kernels that are rebuilt from cores are dense int8 kernels in it.

    Raises:
        UserError: a model that is not quantised, or whose scales do not belong together.
    """
    network = copy.deepcopy(shared_network(model)).eval()
    check_scales(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, RebuiltConv2d):
            network.set_submodule(name, dense(module))
    return network


def shared_network(model: nn.Module) -> nn.Module:
    """The network of a quantised detector, which shares its layers; any other module is taken as it is.

    Raises:
        UserError: nothing in it is quantised.
    """
    network = RawNetwork(model) if hasattr(model, 'bbox_head') else model
    if not any(isinstance(module, QuantConv2d | RebuiltConv2d) for module in network.modules()):
        raise UserError('model: not quantised; make it so by tools/compress.py --method fpga')
    return network


def rebuilt_kernels(model: nn.Module) -> list[TTKernel | None]:
    """Of each convolution of :func:`raw_network`, in order of execution: its cores, or None where none are rebuilt."""
    network = shared_network(model)
    layers = (network.get_submodule(name) for name in read_structure(network).reads)
    return [
        conv.kernel() if isinstance(conv, RebuiltConv2d) else None for layer in layers for conv in convolutions(layer)
    ]


@torch.no_grad()
def dense(layer: RebuiltConv2d) -> QuantConv2d:
    """The same as one convolution with the rebuilt kernel."""
    weight = layer.integer_weight() * 2.0**-layer.weight_frac
    conv = quantised_conv(plain_conv(layer, weight, int(layer.bias_frac)).eval())
    frac_of(conv.weight_quant).fill_(layer.weight_frac)
    if layer.bias is not None:
        frac_of(conv.bias_quant).fill_(int(layer.bias_frac))
    return conv
