"""How tensors lie in memory, for training on CPU: channels innermost, and freed memory stays in the process."""

import ctypes
import sys
from importlib import import_module

import torch
from torch import nn

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h of the GNU C library
LARGEST = 2**31 - 1  # bytes; mallopt takes an int


def keep_freed_memory() -> bool:
    """Tell malloc to reuse large blocks instead of returning them to the kernel; returns whether it took the hint.

    By default glibc maps every tensor above 32 MB anew, so that a training step of YOLOv5n (16 images, 320 px) pays for
    thousands of page faults. Memory stays at its peak between steps. Elsewhere than with glibc nothing happens.
    """
    if not sys.platform.startswith('linux'):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(
        mallopt(option, value)
        for option, value in ((M_MMAP_THRESHOLD, LARGEST), (M_TRIM_THRESHOLD, LARGEST), (M_TOP_PAD, 64 * 2**20))
    )


def channels_last(model: nn.Module) -> None:
    """Keep weights of 2-d convolutions channels innermost; the maps follow them. Steps get cheaper on CPU.

    A model with compiled operators of mmcv stays as it is: they read memory in order, whatever their input says of
    itself, so that RoIAlign would pool other pixels. Operators in plain torch read any order.
    """
    compiled = not import_module('mmcv._ext').__file__.endswith('.py')
    if compiled and any(type(module).__module__.startswith('mmcv.ops') for module in model.modules()):
        return
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.to(memory_format=torch.channels_last)
