"""Mixed precision on any device: the forward pass in bfloat16 or float16, weights and optimizer in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models.dense_heads import DETRHead
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.roi_extractors.base_roi_extractor import BaseRoIExtractor
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import nn

from detplug.errors import UserError

HEADS = (BaseDenseHead, DETRHead, BBoxHead)
DTYPES = ('bfloat16', 'float16')


def default_dtype(device: str) -> str:
    """bfloat16 where the device (cpu, cuda, ...) has it, else float16."""
    return 'float16' if device == 'cuda' and not torch.cuda.is_bf16_supported(including_emulation=False) else 'bfloat16'


@OPTIM_WRAPPERS.register_module()
class DetplugAmpOptimWrapper(OptimWrapper):
    """mmengine's AmpOptimWrapper for every device, without a loss scaler where there is nothing to scale.

    bfloat16 has float32's range: gradients do not vanish, and there is no scaler. float16 has a GradScaler, which skips
    the steps whose gradients overflow and halves its scale; NonFiniteGuard counts them.

    Args:
        dtype: bfloat16 or float16.
        loss_scale: arguments of torch's GradScaler (init_scale, growth_interval, ...), with float16 only.
        **kwargs: as :class:`mmengine.optim.OptimWrapper`.

    Raises:
        UserError: another dtype, or float16 on a CPU.
    """

    def __init__(self, dtype: str = 'bfloat16', loss_scale: dict | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if dtype not in DTYPES:
            raise UserError(f'optim_wrapper.dtype: {dtype!r} is not known; one of {", ".join(DTYPES)}')
        if loss_scale is not None and dtype != 'float16':
            raise UserError(f'optim_wrapper.loss_scale: {dtype} needs no scaler; leave it out, or use float16')
        self.dtype = getattr(torch, dtype)
        device = self.optimizer.param_groups[0]['params'][0].device.type
        if dtype == 'float16':
            check_float16(device)
            self.loss_scaler = torch.amp.GradScaler(device, **(loss_scale or {}))
        else:
            self.loss_scaler = None

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Gradients of the scaled loss."""
        super().backward(loss if self.loss_scaler is None else self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Change the weights, or, where a gradient overflowed, the scale alone."""
        if self.loss_scaler is None:
            return super().step(**kwargs)
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        first = not self.optimizer.state
        self.loss_scaler.step(self.optimizer, **kwargs)
        if first and not all(torch.isfinite(x.grad).all() for x in self._parameters() if x.grad is not None):
            self.optimizer.state.clear()  # torch's fused SGD has made momentum buffers and left them uninitialised
        self.loss_scaler.update()

    def _parameters(self) -> Iterator[torch.Tensor]:
        for group in self.optimizer.param_groups:
            yield from group['params']

    def state_dict(self) -> dict:
        """The optimizer's, and the scaler's as ``loss_scaler``."""
        state = super().state_dict()
        return state if self.loss_scaler is None else state | dict(loss_scaler=self.loss_scaler.state_dict())

    def load_state_dict(self, state_dict: dict) -> None:
        """Also of a training in full precision, or of one in the other format."""
        state = dict(state_dict)
        scaler = state.pop('loss_scaler', None)
        if scaler and self.loss_scaler is not None:
            self.loss_scaler.load_state_dict(scaler)
        super().load_state_dict(state)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass computes in ``dtype`` where torch considers that safe; boxes and losses in float32."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, self.dtype), boxes_in_float32(model):
            yield


@contextmanager
def boxes_in_float32(model: nn.Module) -> Iterator[None]:
    """What heads give and RoI extractors take becomes float32: a bfloat16 box at 600 px is off by up to 2 px."""
    handles = [part.register_forward_hook(_float32_output) for part in model.modules() if isinstance(part, HEADS)]
    handles += [
        part.register_forward_pre_hook(_float32_input) for part in model.modules() if isinstance(part, BaseRoIExtractor)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _float32_output(module: nn.Module, args: tuple, output: Any) -> Any:
    return float32(output)


def _float32_input(module: nn.Module, args: tuple) -> Any:
    return float32(args)


def float32(value: Any) -> Any:
    """``value`` with every tensor of 16-bit floats in it, however nested, in float32."""
    if isinstance(value, torch.Tensor):
        return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
    if isinstance(value, list | tuple):
        return type(value)(map(float32, value))
    if isinstance(value, dict):
        return {key: float32(item) for key, item in value.items()}
    return value


def check_float16(device: str) -> None:
    """float16 needs a device that computes in it.

    Raises:
        UserError: the CPU.
    """
    if device == 'cpu':
        raise UserError('float16: needs a GPU; on a CPU use --amp bfloat16, or optim_wrapper.type=OptimWrapper')
