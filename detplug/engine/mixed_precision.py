"""Mixed precision on any device: the forward pass in bfloat16 or float16, weights and optimizer in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import nn

from detplug.errors import UserError

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
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()

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
        """The forward pass computes in ``dtype`` where torch considers that safe."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, self.dtype):
            yield


def check_float16(device: str) -> None:
    """float16 needs a device that computes in it.

    Raises:
        UserError: the CPU.
    """
    if device == 'cpu':
        raise UserError('--amp float16: needs a GPU; on a CPU use --amp bfloat16')
