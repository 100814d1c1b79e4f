"""Exponential moving average of a model in a few fused calls instead of a Python loop over its tensors."""

import math

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseAveragedModel
from torch import Tensor, nn


@MODELS.register_module()
class ForeachEMA(BaseAveragedModel):
    """mmdet's ExpMomentumEMA (the average of YOLOX and YOLOv5), cheaper; for ``EMAHook(ema_type='ForeachEMA')``.

    average += momentum_t * (source - average), momentum_t = (1 - momentum) * exp(-(1 + steps) / gamma) + momentum.
    Parameters and floating-point buffers are averaged; the first update copies everything.

    Args:
        model: the model to average.
        momentum: weight of the newest model in the long run, 0 to 1.
        gamma: steps over which the weight decays from 1 to ``momentum``.
        interval: steps between two updates.
        device: of the average; None keeps the model's.
        update_buffers: average the buffers too; False copies them.
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: float = 0.0002,
        gamma: int = 2000,
        interval: int = 1,
        device: torch.device | None = None,
        update_buffers: bool = True,
    ):
        super().__init__(model, interval, device, update_buffers)
        self.momentum, self.gamma = momentum, gamma
        self._source: nn.Module | None = None
        self._pairs: tuple[list[Tensor], list[Tensor]] = ([], [])

    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards ``model``, whose tensors must stay the same objects between calls."""
        if self._source is not model:
            self._remember(model)
        steps = int(self.steps)
        averages, sources = self._pairs
        if steps == 0:
            averaged, new = self.avg_parameters, model.state_dict()
            torch._foreach_copy_(list(averaged.values()), [new[name].to(x.device) for name, x in averaged.items()])
        elif steps % self.interval == 0:
            weight = (1 - self.momentum) * math.exp(-(1 + steps) / self.gamma) + self.momentum
            if averages and averages[0].device != sources[0].device:
                sources = [x.to(averages[0].device) for x in sources]
            torch._foreach_lerp_(averages, sources, weight)
        if not self.update_buffers:
            for average, source in zip(self.module.buffers(), model.buffers(), strict=True):
                average.copy_(source)
        self.steps += 1

    def _remember(self, model: nn.Module) -> None:
        source = model.state_dict() if self.update_buffers else dict(model.named_parameters())
        floating = [name for name, x in self.avg_parameters.items() if x.is_floating_point()]
        self._pairs = [self.avg_parameters[n].detach() for n in floating], [source[n].detach() for n in floating]
        object.__setattr__(self, '_source', model)  # not a child: it must not appear in the average's state dict
