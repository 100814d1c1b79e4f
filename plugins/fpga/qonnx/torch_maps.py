"""What the torch network computes: every quantised map, and the outputs."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from brevitas.proxy import ActQuantProxyFromInjector
from torch import Tensor, nn

from .names import identifier, numbered


def torch_maps(network: nn.Module, images: Tensor) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Maps by the name of the quantiser's call, in the order in which they run; and the outputs. float32 values.

    Args:
        images: (N, 3, S, S), 0..1.
    """
    with recorded(network) as calls, torch.no_grad():
        outputs = network(images)
    names = numbered(identifier(name) for name, _ in calls)
    outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return dict(zip(names, (value for _, value in calls), strict=True)), [array(x) for x in outputs]


@contextmanager
def recorded(network: nn.Module) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Paths and results of all calls of quantisers of maps, within the block."""
    calls: list[tuple[str, np.ndarray]] = []
    handles = [
        module.register_forward_hook(lambda _, __, made, path=path: calls.append((layer(path), array(made))))
        for path, module in network.named_modules()
        if isinstance(module, ActQuantProxyFromInjector) and module.is_quant_enabled
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def layer(path: str) -> str:
    """Path of the layer that a quantiser at ``path`` is part of."""
    return path.removesuffix('.act_quant').removesuffix('.output_quant')


def array(made: Tensor) -> np.ndarray:
    """Values of a tensor or a brevitas QuantTensor."""
    return getattr(made, 'value', made).detach().numpy()
