"""Compress a trained detector: score its layers, give each a rank within the budget, replace them by chains.

The Tensor-Train form and LWIQ are the papers' (plugins/tensor_train/README.md); budgets of any kind for any mmdet
model, and the activation-aware beginning, are ours.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from mmcv.cnn import fuse_conv_bn
from torch import nn

from detplug.compression.compressors import SELECTORS
from detplug.errors import UserError

from .calibration import runner_of
from .compressed import Ranks, check_ranks, compressible, replace_layers, silu_to_relu
from .conv_layers import ConvLayer, conv_layers, convolution_macs
from .decomposition import chain_from_kernel
from .ranks import Budget, CalibrationData, allocate, latency_cost, macs_cost, params_cost
from .whitening import chain_from_kernel_and_moments


class Compression:
    """One model and all that is found out about it once: layers, moments, scores; then any number of budgets.

    Args:
        model: detector in eval mode; it is not changed.
        data: images and objects of its training split.
        modules: pattern (re.search) of the names of the layers that may change.
        fold_bn: make batch norms part of their convolutions first.
        relu: ReLU in place of every SiLU in what is built; scores and moments are those of the model as it is.
        rank_multiple: of which every rank is one, or full; the width of an accelerator's array.

    Raises:
        UserError: a multiple below 1.
    """

    def __init__(
        self,
        model: nn.Module,
        data: CalibrationData,
        modules: str = r'(^|\.)(backbone|neck)\.',
        fold_bn: bool = False,
        relu: bool = False,
        rank_multiple: int = 1,
    ):
        if rank_multiple < 1:
            raise UserError(f'--rank-multiple {rank_multiple}: ranks are multiples of it; give at least 1')
        self.rank_multiple, self.relu = rank_multiple, relu
        self.model, self.data = model, data
        if fold_bn:
            self.model = fuse_conv_bn(copy.deepcopy(model).eval())
            self.data = replace(data, run=runner_of(self.model), _moments={})
        self.modules = modules
        self.found_scores: dict[str, Mapping] = {}

    @cached_property
    def layers(self) -> dict[str, ConvLayer]:
        """The layers that may change, in order of execution."""
        return conv_layers(self.model, self.data.run, self.data.images[0][:1], self.modules)

    def scores(self, selector: str) -> Mapping:
        """What the selector finds in the layers; asked once."""
        if selector not in self.found_scores:
            self.found_scores[selector] = SELECTORS[selector]().scores(self.model, self.layers, self.data)
        return self.found_scores[selector]

    def cost(self, kind: str):
        """Function ranks -> what the whole model costs; latency: the layers that may change.

        Raises:
            UserError: a kind that this plugin does not count.
        """
        if kind == 'params':
            fixed = sum(x.numel() for x in self.model.parameters()) - sum(x.params for x in self.layers.values())
            return params_cost(self.layers, fixed)
        if kind == 'macs':
            whole = convolution_macs(self.model, self.data.run, self.data.images[0][:1])
            fixed = whole - sum(x.macs for x in self.layers.values())
            return macs_cost(self.layers, fixed)
        if kind == 'latency':
            return latency_cost(self.layers)
        raise UserError(f'--budget-kind {kind}: not counted here; one of params, macs, latency')

    def ranks(self, selector: str, share: float, kind: str = 'params') -> Ranks:
        """Ranks with which the model keeps at most ``share`` of what it costs now.

        Raises:
            UserError: no ranks are so small.
        """
        cost = self.cost(kind)
        budget = Budget(kind, cost, share * cost({}))
        return allocate(SELECTORS[selector](), self.scores(selector), self.layers, budget, self.rank_multiple)

    def build(self, ranks: Ranks, init: str = 'activation') -> nn.Module:
        """A copy of the model with chains of these ranks.

        Args:
            init: 'svd' is TT-SVD of the kernel; 'activation' cuts what matters least for the images.

        Raises:
            UserError: a name that is none of the layers that may change, or ranks that its kernel cannot have.
        """
        for name in ranks:
            if name not in self.layers:
                raise UserError(f'ranks: {name!r} is no layer that may change; mend its name, or see --modules')
        check_ranks(self.model, ranks)
        model = copy.deepcopy(self.model)
        if self.relu:
            silu_to_relu(model)
        modules = dict(model.named_modules())
        moments = self.data.moments(self.model, ranks) if init == 'activation' else {}
        kernels = {}
        for name, own in ranks.items():
            weight = modules[name].weight.detach()
            if init == 'activation':
                kernels[name] = chain_from_kernel_and_moments(weight, own, *moments[name])
            else:
                kernels[name] = chain_from_kernel(weight, own)
        return replace_layers(model, ranks, kernels)


def has_convolutions(model: nn.Module) -> bool:
    """Whether there is anything to compress."""
    return any(compressible(module) for module in model.modules())
