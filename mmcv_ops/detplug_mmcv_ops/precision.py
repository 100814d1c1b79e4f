"""The dtype in which operators compute."""

import torch
from torch import Tensor


def compute_dtype(tensor: Tensor) -> torch.dtype:
    """float64 for float64, float32 for everything else: half and bfloat16 would lose places in sums and areas."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
