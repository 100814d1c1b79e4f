"""Two expressions of the loss whose backward autograd would spread over many passes through whole maps.

N images, A anchors, C = 5 + K channels (x, y, width, height, objectness, K classes), H rows, W columns, P positives.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus


class GatherPredictions(torch.autograd.Function):
    """Boxes and classes of the positives and the objectness of all, with one gradient buffer a map.

    Plain indexing gives the same; its backward fills and adds a map for each index expression.
    """

    @staticmethod
    def forward(ctx, raw: Tensor, *positives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, A, C, H, W) and image, anchor, row, column (P,) -> (P, 4), (P, K) and (N A H W,) outputs."""
        ctx.save_for_backward(*positives)
        ctx.shape = raw.shape
        last = raw.permute(0, 1, 3, 4, 2)
        return last[..., :4][positives], last[..., 5:][positives], raw[:, :, 4].flatten()

    @staticmethod
    @once_differentiable
    def backward(ctx, boxes: Tensor, classes: Tensor, objectness: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients add up where an anchor is a positive several times."""
        grad = boxes.new_zeros(ctx.shape)
        grad[:, :, 4] = objectness.view_as(grad[:, :, 4])
        last = grad.permute(0, 1, 3, 4, 2)
        last[..., :4].index_put_(ctx.saved_tensors, boxes, accumulate=True)
        last[..., 5:].index_put_(ctx.saved_tensors, classes, accumulate=True)
        return grad, *(None for _ in ctx.saved_tensors)


class ClassEntropy(torch.autograd.Function):
    """Binary cross entropy of K independent classes, summed over them: sum softplus(x) - target x.

    The gradient, sigmoid(x) - target, is made in one buffer instead of three.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """(P, K) logits, (P,) labels -> (P,); targets are 1 - smoothing / 2 for the label, else smoothing / 2."""
        ctx.save_for_backward(logits, labels)
        ctx.smoothing = smoothing
        entropy = softplus(logits).sum(1) - (1 - smoothing) * logits.gather(1, labels[:, None])[:, 0]
        return entropy - smoothing / 2 * logits.sum(1) if smoothing else entropy

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        """Of the logits only."""
        logits, labels = ctx.saved_tensors
        result = logits.sigmoid()
        if ctx.smoothing:
            result -= ctx.smoothing / 2
        result.scatter_add_(1, labels[:, None], result.new_full((len(labels), 1), ctx.smoothing - 1))
        return result.mul_(grad[:, None]), None, None
