"""Compress a trained detector: score its layers, give each a rank within the budget, replace them by chains.

The Tensor-Train form and LWIQ are the papers' (plugins/tensor_train/README.md); budgets of any kind for any mmdet
model, and the activation-aware beginning, are ours.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

import torch
from mmcv.cnn import fuse_conv_bn
from mmengine.config import Config
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from detplug.compression.costs import ConvShape, CostRequest, cost_model
from detplug.errors import UserError

from .calibration import runner_of
from .compressed import Ranks, activations_to_relu, check_ranks, compressible, replace_layers, replace_modules
from .conv_layers import ConvLayer, all_convolutions, compiled, conv_layers
from .decomposition import Kernels, chain_from_kernel
from .distillation import maps_of
from .patch_fit import chain_for_images
from .ranks import Budget, CalibrationData, LayerCost, allocate, layer_cost
from .ranks.selectors import SELECTORS
from .tt_conv import TTConv2d

FOLD_ERROR = 1e-3  # of an output's norm, rounding of float32 in deep networks included


class Compression:
    """One model and all that is measured of it once: layers, moments, scores; then any number of budgets.

    Chains that the model has already count as what they are: those that may change are made dense to be looked at, keep
    at most their ranks, and what the model costs now is what it costs with them; others stay as they are.

    Args:
        model: detector in eval mode; it is not changed.
        data: images and objects of its training split.
        modules: pattern (re.search) of the names of the layers that may change.
        fold_bn: make batch norms part of their convolutions first.
        relu: ReLU in place of every other activation in what is built; scores and moments are those of the model as it
            is.
        rank_multiple: of which every rank is one, or full; the width of an accelerator's array.
        threads: of the deployment, for the budget kind latency.
        cfg: the detector's config, for a budget kind that reads it.

    Raises:
        UserError: a multiple or number of threads below 1, or batch norms that cannot be folded.
    """

    def __init__(
        self,
        model: nn.Module,
        data: CalibrationData,
        modules: str = r'(^|\.)(backbone|neck)\.',
        fold_bn: bool = False,
        relu: bool = False,
        rank_multiple: int = 1,
        threads: int = 1,
        cfg: Config | None = None,
    ):
        for option, value in (('rank-multiple', rank_multiple), ('threads', threads)):
            if value < 1:
                raise UserError(f'--{option} {value}: give at least 1')
        self.rank_multiple, self.relu, self.threads, self.cfg = rank_multiple, relu, threads, cfg or Config()
        wanted = compiled(modules)
        self.start = {name: layer_ranks for name, layer_ranks in chain_ranks(model).items() if wanted.search(name)}
        self.model, self.data = model, data
        if self.start:
            self.model = chains_to_dense(copy.deepcopy(model), self.start)
        if fold_bn:
            self.model = folded(self.model, data.images[0][:1])
        if self.model is not model:
            self.data = replace(data, run=runner_of(self.model), _moments={})
        self.modules = modules
        self._scores: dict[str, Mapping] = {}
        self._costs: dict[str, LayerCost] = {}

    @cached_property
    def convs(self) -> dict[str, list[ConvShape]]:
        """Every call of every convolution, chains made dense."""
        return all_convolutions(self.model, self.data.run, self.data.images[0][:1])

    @cached_property
    def layers(self) -> dict[str, ConvLayer]:
        """The layers that may change, in order of execution."""
        return conv_layers(self.model, self.data.run, self.data.images[0][:1], self.modules)

    def scores(self, selector: str) -> Mapping:
        """What the selector measures of the layers; asked once."""
        if selector not in self._scores:
            self._scores[selector] = SELECTORS[selector]().scores(self.model, self.layers, self.data)
        return self._scores[selector]

    def cost(self, kind: str) -> LayerCost:
        """Function ranks -> what the whole model costs; chains that are not in the ranks cost as dense.

        Raises:
            UserError: a kind that no plugin counts, or a model that it cannot count.
        """
        if kind not in self._costs:
            side = self.data.images[0].shape[-1]
            request = CostRequest(self.model, self.cfg, side, self.convs, tuple(self.layers), self.threads)
            self._costs[kind] = layer_cost(cost_model(kind)(request), self.layers)
        return self._costs[kind]

    def ranks(self, selector: str, share: float | Mapping[str, float], kind: str = 'params') -> Ranks:
        """Ranks with which the model keeps at most ``share`` of what it costs now.

        Args:
            share: of ``kind``, or of several kinds: kind -> share.

        Raises:
            UserError: no ranks are so small.
        """
        shares = share if isinstance(share, Mapping) else {kind: share}
        return self.allocated(selector, self.scores(selector), shares, self.start)

    def allocated(self, selector: str, scores: Mapping, shares: Mapping[str, float], most: Ranks) -> Ranks:
        """Ranks by the selector's ``scores``, none above those in ``most``; see :meth:`ranks`."""
        costs = {kind: self.cost(kind) for kind in shares}
        budgets = [Budget(kind, cost, shares[kind] * cost(self.start)) for kind, cost in costs.items()]
        return allocate(SELECTORS[selector](), scores, self.layers, budgets, self.rank_multiple, most)

    def build(self, ranks: Ranks, init: str = 'activation') -> nn.Module:
        """A copy of the model with chains of these ranks.

        Args:
            init: 'svd' is TT-SVD of the kernel; 'activation' cuts what matters least for the images.

        Raises:
            UserError: a name that is none of the layers that may change, ranks that its kernel cannot have, or nothing
                that ReLU may stand for.
        """
        for name in ranks:
            if name not in self.layers:
                raise UserError(f'ranks: {name!r} is no layer that may change; mend its name, or see --modules')
        check_ranks(self.model, ranks)
        kernels = self.kernels(ranks, init)
        model = copy.deepcopy(self.model)
        if self.relu and not activations_to_relu(model):
            raise UserError('--relu: the detector has no activation that ReLU may stand for; leave it out')
        return replace_layers(model, ranks, kernels)

    def kernels(self, ranks: Ranks, init: str) -> dict[str, Kernels]:
        """Kernels of the chain of each layer, see :meth:`build`."""
        modules = dict(self.model.named_modules())
        weights = {name: modules[name].weight.detach() for name in ranks}
        if init == 'svd':
            return {name: chain_from_kernel(weights[name], layer_ranks) for name, layer_ranks in ranks.items()}
        moments = self.data.moments(self.model, ranks)
        return {
            name: chain_for_images(weights[name], layer_ranks, moments[name]) for name, layer_ranks in ranks.items()
        }


def folded(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy of ``model`` whose batch norms are part of their convolutions.

    Raises:
        UserError: there is none, or its outputs for the images are others than before, as where one convolution has
            several batch norms.
    """
    if not any(isinstance(x, _BatchNorm) for x in model.modules()):
        raise UserError('--fold-bn: the detector has no batch norm; leave it out')
    other = fuse_conv_bn(copy.deepcopy(model).eval())
    with torch.no_grad():
        pairs = zip(*(maps_of(runner_of(each)(images)) for each in (model, other)), strict=True)
        error = max((((a - b).norm() / a.norm().clamp(min=1e-12)).item() for a, b in pairs), default=0.0)
    if not error <= FOLD_ERROR:
        raise UserError(
            f'--fold-bn: changes the outputs by {error:.2g} of their norm, because a convolution has several batch '
            'norms or one that does not follow it alone; leave it out'
        )
    return other


def chain_ranks(model: nn.Module) -> Ranks:
    """Ranks of the chains that a model has, by name."""
    return {name: x.ranks for name, x in model.named_modules() if isinstance(x, TTConv2d)}


def chains_to_dense(model: nn.Module, names: Iterable[str]) -> nn.Module:
    """The dense convolution in the place of each named chain of ``model``, in place; returns ``model``."""
    modules = dict(model.named_modules())
    replace_modules(model, {modules[name]: modules[name].to_conv() for name in names})
    return model


def has_convolutions(model: nn.Module) -> bool:
    """Whether there is anything to compress."""
    return any(compressible(module) for module in model.modules())
