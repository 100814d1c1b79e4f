"""Everything that a checkpoint holds besides tensors, as plain Python data that needs no code to be read back."""

import random
from collections import Counter, OrderedDict
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub

from detplug.errors import UserError

LONGEST_LOG = 1000  # newest values of each log scalar that a checkpoint keeps; they only smooth printed numbers


def plain(value: Any, name: str = 'checkpoint') -> Any:
    """``value`` as tensors on the CPU, dicts, lists, tuples, text, numbers and None; numpy values become Python ones.

    Raises:
        UserError: something that cannot be stored without code, with its place ``name``.
    """
    if isinstance(value, torch.Tensor):
        return value.cpu()  # any machine can read it then, also one without the device
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        pairs = {plain(key, name): plain(item, f'{name}[{key!r}]') for key, item in value.items()}
        if type(value) not in (OrderedDict, Counter):
            return pairs
        copy = type(value)(pairs)
        copy.__dict__.update(plain(vars(value), f'{name}.__dict__'))  # torch keeps the version of a state dict there
        return copy
    if isinstance(value, list | tuple | set | frozenset):
        kind = tuple if isinstance(value, tuple) else list
        return kind(plain(item, f'{name}[{i}]') for i, item in enumerate(value))
    raise UserError(
        f'{name}: a {type(value).__name__} cannot be stored in a checkpoint; store tensors, text and numbers'
    )


def pack_message_hub(hub: MessageHub) -> dict[str, dict]:
    """Log scalars and plain run-time values of ``hub``; the config text and other objects are left out."""
    scalars = {
        name: dict(
            values=torch.as_tensor(values[-LONGEST_LOG:], dtype=torch.float64),
            counts=torch.as_tensor(counts[-LONGEST_LOG:], dtype=torch.float64),
        )
        for name, (values, counts) in ((name, buffer.data) for name, buffer in hub.log_scalars.items())
    }
    info = {
        name: value
        for name, value in hub.runtime_info.items()
        if name != 'cfg' and isinstance(value, bool | int | float | str)
    }
    return dict(scalars=scalars, info=info)


def unpack_message_hub(packed: Any, hub: MessageHub) -> None:
    """Put what :func:`pack_message_hub` stored into ``hub``; anything of another form is ignored, never interpreted."""
    packed = packed if isinstance(packed, dict) else {}
    scalars, info = (part if isinstance(part, dict) else {} for part in (packed.get('scalars'), packed.get('info')))
    for name, item in scalars.items():
        values, counts = (item.get('values'), item.get('counts')) if isinstance(item, dict) else (None, None)
        if isinstance(values, torch.Tensor) and isinstance(counts, torch.Tensor) and values.shape == counts.shape:
            hub.log_scalars[str(name)] = HistoryBuffer(values.flatten().numpy(), counts.flatten().numpy())
            hub._resumed_keys[str(name)] = True
    for name, value in info.items():
        if isinstance(value, bool | int | float | str) and name != 'cfg':
            hub.update_info(str(name), value)


def rng_state() -> dict[str, Any]:
    """State of the main process's generators: torch (with those of accelerators in use), numpy and python."""
    name, keys, position, has_gauss, gauss = np.random.get_state()
    state = dict(
        torch=torch.get_rng_state(),
        numpy=dict(
            name=name, keys=torch.from_numpy(keys.astype(np.int64)), position=position, has_gauss=has_gauss, gauss=gauss
        ),
        python=plain(random.getstate()),
    )
    for kind, module in _accelerators():
        state[kind] = [module.get_rng_state(i) for i in range(module.device_count())]
    return state


def set_rng_state(state: dict[str, Any]) -> None:
    """Continue the generators from a state of :func:`rng_state`."""
    torch.set_rng_state(state['torch'].to(torch.uint8).cpu())
    old = state['numpy']
    np.random.set_state(
        (old['name'], old['keys'].numpy().astype(np.uint32), old['position'], old['has_gauss'], old['gauss'])
    )
    random.setstate(state['python'])
    for kind, module in _accelerators():
        if module.device_count() == len(state.get(kind, ())):
            for i, own in enumerate(state[kind]):
                module.set_rng_state(own.to(torch.uint8).cpu(), i)


def _accelerators() -> list[tuple[str, Any]]:
    """(name, torch's module) of each kind of device that this process uses; on the CPU it leaves the others alone."""
    kinds = ('cuda', 'xpu', torch._C._get_privateuse1_backend_name())
    modules = [(kind, getattr(torch, kind, None)) for kind in kinds]
    return [(kind, module) for kind, module in modules if module is not None and module.is_initialized()]
