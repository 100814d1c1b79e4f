"""Numbers of an accelerator on the host: each copy makes the host wait, so there is one for all."""

from collections.abc import Sequence

import torch
from torch import Tensor


def to_floats(values: Sequence[float | Tensor]) -> list[float]:
    """Floats of numbers and of tensors with one element; those of an accelerator come in one copy, as float32."""
    far = [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.device.type != 'cpu']
    near = torch.stack([values[i].detach().float().reshape(()) for i in far]).tolist() if far else []
    copied = dict(zip(far, near, strict=True))
    return [
        copied[i] if i in copied else float(x.detach() if isinstance(x, Tensor) else x) for i, x in enumerate(values)
    ]
