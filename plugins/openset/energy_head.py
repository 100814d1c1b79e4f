"""YOLOv5's head with a last class "unknown" whose logit is tied to the energy of the known ones. Ours.

An extra column that few objects teach sinks to the base rate; one that starts as an out-of-distribution score names
something from the first step, and two numbers a level set its scale. Energy: Liu et al., NeurIPS 2020; a loss on it
that teaches what is unknown: VOS, Du et al., ICLR 2022. N images, A anchors a level, K known classes.
"""

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from plugins.yolov5.head import YOLOv5Head


@MODELS.register_module()
class EnergyYOLOv5Head(YOLOv5Head):
    """l_u = a F(l_1 .. l_K) + v z + b with F = -log sum exp l_k, through which no gradient reaches the known logits.

    a is 1, v 0 and b the head's first guess of a class at the start; a is one number a level, v and b are the last
    class's rows of the head's own convolution.

    Args:
        num_classes: K + 1, the last is "unknown".
        **options: of :class:`YOLOv5Head`.

    Raises:
        ValueError: fewer than two classes.
    """

    def __init__(self, num_classes: int, **options) -> None:
        if num_classes < 2:
            raise ValueError(f'num_classes is {num_classes}; wanted at least one known class and "unknown"')
        super().__init__(num_classes, **options)
        self.scales = nn.Parameter(torch.ones(len(self.strides)))

    def init_weights(self) -> None:
        """As the head's, with v = 0."""
        super().init_weights()
        for conv in self.convs:
            self._by_anchor(conv)[0].data[:, -1] = 0

    def raw_predictions(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """As the head's, (N, A (5 + K + 1), H, W) a level, the last class's logit with its energy."""
        tied = []
        for raw, scale in zip(super().raw_predictions(feats), self.scales, strict=True):
            x = raw.unflatten(1, (self.anchors.shape[1], -1))
            unknown = x[:, :, -1:] + scale * energy(x[:, :, 5:-1], 2)
            tied.append(torch.cat([x[:, :, :-1], unknown], 2).flatten(1, 2))
        return tuple(tied)

    def describe(self, feats: Sequence[Tensor], images: Tensor, prior_index: Tensor) -> list[tuple[Tensor, ...]]:
        """As the head's; the last logit with its energy."""
        described = super().describe(feats, images, prior_index)
        return [
            (index, z, anchor, self._tied(logits, scale), objectness)
            for (index, z, anchor, logits, objectness), scale in zip(described, self.scales, strict=True)
        ]

    def describe_all(self, feats: Sequence[Tensor], prior_index: Tensor) -> list[tuple[Tensor, ...]]:
        """As the head's; the last logit with its energy."""
        described = super().describe_all(feats, prior_index)
        return [
            (inside, z, anchor, self._tied(logits, scale))
            for (inside, z, anchor, logits), scale in zip(described, self.scales, strict=True)
        ]

    @staticmethod
    def _tied(logits: Tensor, scale: Tensor) -> Tensor:
        """(..., K + 1) of the convolution -> with the energy in the last."""
        return torch.cat([logits[..., :-1], logits[..., -1:] + scale * energy(logits[..., :-1], -1)], -1)


def energy(logits: Tensor, axis: int) -> Tensor:
    """-log sum exp over ``axis``, which stays with one entry; no gradient."""
    return -logits.detach().logsumexp(axis, keepdim=True)
