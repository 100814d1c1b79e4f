"""Memory order of feature maps."""

from torch import Tensor

from detplug_mmcv_ops.precision import compute_dtype


def channels_innermost(maps: Tensor) -> Tensor:
    """(N * H * W, C), contiguous, of (N, C, H, W); a copy unless channels are innermost already."""
    return maps.to(compute_dtype(maps)).permute(0, 2, 3, 1).reshape(-1, maps.size(1)).contiguous()
