"""An accelerator that is not there: tensors that say they are on ``pretend:0``, compute on the CPU and refuse what CUDA
refuses. :func:`install` once a process; it cannot be undone, so each use is a process of its own (battery.py).

It is torch's own back end for devices outside torch (PrivateUse1). Refused, by torch itself or pretend_kernels.py: a
CPU tensor of one dimension or more beside a tensor of the device, ``.numpy()``, a CPU tensor indexed by one of the
device, a CPU generator. Modelled: views, autograd in a thread of its own, random numbers of its own, autocast
(pretend_autocast.py). Not modelled: streams and asynchronous errors, memory limits, pinned memory, generators of the
device, cuDNN's choices.
"""

import copy
import sys
import types
from typing import Any

import pretend_autocast
import pretend_kernels
import torch
from torch import Tensor, nn
from torch.utils import backend_registration

DEVICE = pretend_kernels.KIND
_libraries: list = []


class Backend:
    """``torch.pretend``, as ``torch.cuda`` is for CUDA."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def synchronize(self, device: Any = None) -> None:
        pass

    def manual_seed(self, seed: int) -> None:
        pretend_kernels.seeds.manual_seed(seed)

    manual_seed_all = manual_seed

    def get_rng_state(self, device: Any = None) -> Tensor:
        return pretend_kernels.seeds.get_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        pretend_kernels.seeds.set_state(state)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


def install() -> None:
    """Make the device known to torch, mmengine and mmcv."""
    if _libraries:
        return
    backend_registration._setup_privateuseone_for_python_backend(DEVICE, Backend())
    _libraries.extend([*pretend_kernels.register(), *pretend_autocast.register()])
    Tensor.__deepcopy__ = _deepcopy(Tensor.__deepcopy__)
    _choose_in_mmengine()
    _wrap_compiled_operators()


def _deepcopy(stock):
    """torch copies a storage with an allocator, which a Python back end has no way to give."""

    def deepcopy(self: Tensor, memo: dict) -> Tensor:
        if not pretend_kernels.on_device(self) or isinstance(self, nn.Parameter) or id(self) in memo:
            return stock(self, memo)
        with torch.no_grad():
            result = memo[id(self)] = self.clone().requires_grad_(self.requires_grad)
        result.__dict__ = copy.deepcopy(self.__dict__, memo)
        return result

    return deepcopy


def _choose_in_mmengine() -> None:
    """What mmengine does for its own devices: it is chosen, and its index tensors are known to InstanceData."""
    import mmengine.device.utils
    import mmengine.structures.instance_data as instance_data

    mmengine.device.utils.DEVICE = DEVICE
    bools, longs = (
        type(name, (type,), {'__instancecheck__': lambda _, x, d=dtype: isinstance(x, Tensor) and x.dtype == d})
        for name, dtype in (('Bools', torch.bool), ('Longs', torch.int64))
    )
    instance_data.BoolTypeTensor = instance_data.BoolTypeTensor | bools('BoolTensor', (), {})
    instance_data.IndexType = instance_data.IndexType | bools('BoolTensor', (), {}) | longs('LongTensor', (), {})


def _wrap_compiled_operators() -> None:
    """mmcv's compiled operators know CPU and CUDA; those in plain torch need nothing."""
    import mmcv._ext as compiled

    if str(compiled.__file__).endswith('.py'):
        return
    wrapped = types.ModuleType('mmcv._ext')
    for name in dir(compiled):
        value = getattr(compiled, name)
        setattr(wrapped, name, _on_host(value) if callable(value) else value)
    sys.modules['mmcv._ext'] = wrapped


def _on_host(function):
    from pretend_memory import to_host, to_pretend

    def call(*args: Any, **kwargs: Any) -> Any:
        tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        if not any(map(pretend_kernels.on_device, tensors)):
            return function(*args, **kwargs)
        if not all(map(pretend_kernels.on_device, tensors)):
            raise RuntimeError(f'{function.__name__}: Expected all tensors to be on the same device')
        result = function(
            *(to_host(x) if isinstance(x, Tensor) else x for x in args),
            **{name: to_host(x) if isinstance(x, Tensor) else x for name, x in kwargs.items()},
        )
        return torch.utils._pytree.tree_map(lambda x: to_pretend(x) if isinstance(x, Tensor) else x, result)

    return call
