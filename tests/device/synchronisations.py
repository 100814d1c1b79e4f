"""Where a training step makes the host wait for the accelerator: which operator, called from which function."""

import sys
from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# their result or its size is needed on the host
WAITING = {
    '_local_scalar_dense',
    'nonzero',
    'masked_select',
    'unique_dim',
    '_unique2',
    'unique_consecutive',
    'bincount',
    'equal',
    'is_nonzero',
    'repeat_interleave',
}
INDEXING = {'index', 'index_put', 'index_put_', '_index_put_impl_', '_unsafe_index'}
ASKED = WAITING | INDEXING | {'_to_copy', 'copy_'}
COMPREHENSIONS = ('<listcomp>', '<dictcomp>', '<setcomp>', '<genexpr>')  # frames of their own in some Pythons only
OURS = ('detplug', 'plugins', 'mmdet', 'mmengine', 'mmcv')


class Synchronisations(TorchDispatchMode):
    """Counts while it is entered; ``counts`` maps ``KIND package/file.py:function`` to how often.

    Kinds: the names of operators above; ``mask`` (an index of bools); ``to host`` (a copy). Copies to the device are
    no synchronisation of the kind that a step waits for, and are not counted.
    """

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kind = waits(function, args, kwargs or {})
        if kind:
            self.counts[f'{kind} {caller()}'] += 1
        return function(*args, **(kwargs or {}))


def waits(function: Any, args: tuple, kwargs: dict) -> str | None:
    """The kind of synchronisation of a call of an operator, None where it is none."""
    name = function._schema.name.partition('::')[2]
    if name not in ASKED or not any(isinstance(x, Tensor) and x.device.type != 'cpu' for x in args):
        return None
    if name in INDEXING:
        masks = [x for x in args[1] if x is not None and x.dtype in (torch.bool, torch.uint8)]
        return 'mask' if masks else None
    if name == '_to_copy':
        device = kwargs.get('device')
        return 'to host' if device is not None and torch.device(device).type == 'cpu' else None
    if name == 'copy_':
        return 'to host' if args[0].device.type == 'cpu' else None
    return None if name == 'repeat_interleave' and kwargs.get('output_size') is not None else name


def caller() -> str:
    """``package/file.py:function`` of the innermost frame of the project or of OpenMMLab."""
    frame = sys._getframe(1)
    while frame is not None:
        package = frame.f_globals.get('__name__', '').partition('.')[0]
        if package in OURS and frame.f_code.co_name not in COMPREHENSIONS:
            path = frame.f_globals['__name__'].replace('.', '/')
            return f'{path}.py:{frame.f_code.co_name}'
        frame = frame.f_back
    return 'autograd'
