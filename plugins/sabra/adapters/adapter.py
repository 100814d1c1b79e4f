"""What a relation detector asks of the detector before it, and what is the same for all kinds; ours.

Letters: B images, D boxes of an image, E dims of a query's feature.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor, nn


class Detected(NamedTuple):
    """``maps``: (B, C, H, W) of each level; ``boxes`` of each image: bboxes (D, 4) xyxy px of the network's input
    without its padding, scores (D,) 0..1, labels (D,) and, of a detector with queries, features (D, E)."""

    maps: tuple[Tensor, ...]
    boxes: list[InstanceData]


class DetectorAdapter(ABC):
    """A detector of one kind. A kind of your own: subclass, register with TASK_UTILS, name it in ``adapter=dict(...)``.

    Args:
        detector: with ``extract_feat(inputs)``, ``loss(inputs, samples)``, a backbone and perhaps a neck.
    """

    def __init__(self, detector: nn.Module):
        self.detector = detector

    @abstractmethod
    def boxes(self, maps: tuple[Tensor, ...], samples: list[DetDataSample]) -> list[InstanceData]:
        """The boxes of each image, as :class:`Detected` says; called without gradient, the detector in eval mode."""

    def detect(self, inputs: Tensor, samples: list[DetDataSample]) -> Detected:
        """Maps and boxes of images (B, 3, H, W)."""
        return self._detected(self.detector.extract_feat(inputs), samples)

    def learn(self, inputs: Tensor, samples: list[DetDataSample]) -> tuple[dict[str, Tensor], Detected]:
        """The detector's losses, and what :meth:`detect` gives, of one pass through backbone and neck.

        The boxes are those of eval mode: FCOS scales its boxes there only, DETR has no dropout, DINO no noisy queries.
        """
        with last_output(self.detector.neck if self.detector.with_neck else self.detector.backbone) as outputs:
            losses = self.detector.loss(inputs, samples)
        return losses, self._detected(outputs[0], samples)

    def _detected(self, maps: tuple[Tensor, ...], samples: list[DetDataSample]) -> Detected:
        with torch.no_grad(), evaluating(self.detector):
            return Detected(tuple(maps), self.boxes(tuple(maps), samples))


@contextmanager
def last_output(module: nn.Module) -> Iterator[list]:
    """A list that gets what the module returns, while the block runs."""
    outputs = []
    handle = module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode while the block runs; then each of its modules is as before."""
    modes = [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
