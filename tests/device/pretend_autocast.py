"""``torch.autocast('pretend')``: which operators compute in half precision and which in float32, as CUDA's do.

The lists are those that torch documents for CUDA (docs: Automatic Mixed Precision, CUDA Ops).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

KIND = 'pretend'
HALF = (
    'conv1d conv2d conv3d conv_transpose1d conv_transpose2d.input conv_transpose3d.input _convolution convolution '
    'matmul mm mv linear addmm addmv addr addbmm baddbmm bmm chain_matmul prelu einsum'
).split()
FULL = (
    'acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar '
    'pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm group_norm frobenius_norm.dim nuclear_norm '
    'cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss kl_div l1_loss '
    'smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss '
    'triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp '
    'prod prod.dim_int softmax.int log_softmax.int cumprod cumsum sum sum.dim_IntList norm.Scalar norm.ScalarOpt_dim'
).split()
WIDEST = 'addcdiv addcmul atan2 bilinear cross dot grid_sampler index_put scatter_add tensordot cat stack'.split()


def register() -> list[torch.library.Library]:
    """Register the lists; the libraries must be kept."""
    library, every = torch.library.Library('aten', 'IMPL'), torch.library.Library('_', 'IMPL')
    every.fallback(torch.library.fallthrough_kernel, 'AutocastPrivateUse1')
    for names, choose in ((HALF, _half), (FULL, _full), (WIDEST, _widest)):
        for name in names:
            packet, _, overload = name.partition('.')
            operator = getattr(getattr(torch.ops.aten, packet), overload or 'default')
            library.impl(name, _cast(operator, choose), 'AutocastPrivateUse1')
    return [library, every]


def _half(tensors: list[Tensor]) -> torch.dtype:
    return torch.get_autocast_dtype(KIND)


def _full(tensors: list[Tensor]) -> torch.dtype:
    return torch.float32


def _widest(tensors: list[Tensor]) -> torch.dtype:
    return torch.float32 if any(x.dtype == torch.float32 for x in tensors) else torch.get_autocast_dtype(KIND)


def _cast(operator: torch._ops.OpOverload, choose: Callable[[list[Tensor]], torch.dtype]) -> Callable[..., Any]:
    def eligible(x: Any) -> bool:
        return isinstance(x, Tensor) and x.device.type == KIND and x.is_floating_point() and x.dtype != torch.float64

    def call(*args: Any, **kwargs: Any) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs)) if eligible(x)]
        dtype = choose(tensors) if tensors else None
        with torch.autocast(KIND, enabled=False):
            args, kwargs = tree_map(lambda x: x.to(dtype) if eligible(x) else x, (args, kwargs))
            return operator(*args, **kwargs)

    return call
