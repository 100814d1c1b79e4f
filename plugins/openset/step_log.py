"""Counts of what happens to pseudo-labels, for the training log. K known classes."""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch import Tensor

from .fusion import FATES, KNOWN, UNKNOWN, TeacherBoxes
from .hidden_labels import on_hidden_unknown, right_boxes


class StepLog:
    """Sums since the last :meth:`take`; what comes from hidden labels has ``hidden`` in its name.

    Args:
        classes: K.
    """

    def __init__(self, classes: int):
        self.classes = classes
        self.clear()

    def clear(self) -> None:
        """Begin to count anew."""
        self.labelled_counts, self.pseudo_counts, self.right_counts = (np.zeros(self.classes) for _ in range(3))
        self.fate_counts = np.zeros(len(FATES))
        self.on_unknown = self.judged = self.right_unknown = self.judged_unknown = 0

    def labelled(self, samples: list[DetDataSample]) -> None:
        """Count the labelled objects of a batch."""
        labels = torch.cat([x.gt_instances.labels for x in samples])
        self.labelled_counts += self._by_class(labels)

    def pseudo(self, found: TeacherBoxes, fate: Tensor, sample: DetDataSample) -> None:
        """Count one image's teacher boxes by fate and, if it has hidden labels, how many are right."""
        self.fate_counts += torch.bincount(fate.cpu(), minlength=len(FATES)).numpy()
        known = fate == KNOWN
        boxes, labels = found.boxes[known], found.labels[known]
        self.pseudo_counts += self._by_class(labels)
        wrong, right = on_hidden_unknown(boxes, sample), right_boxes(boxes, labels, sample)
        if wrong is not None and right is not None:
            self.judged += len(boxes)
            self.on_unknown += int(wrong.sum())
            self.right_counts += self._by_class(labels[right])
            called = on_hidden_unknown(found.boxes[fate == UNKNOWN], sample)
            self.judged_unknown += len(called)
            self.right_unknown += int(called.sum())

    def take(self, names: tuple[str, ...], thresholds: Tensor) -> dict[str, float]:
        """Flat figures since the last call, and begin anew; figures without a denominator are left out."""
        figures = {}
        for k, name in enumerate(names):
            figures |= {
                f'labelled/{name}': float(self.labelled_counts[k]),
                f'pseudo/{name}': float(self.pseudo_counts[k]),
                f'threshold/{name}': float(thresholds[k]),
            }
            if self.judged and self.pseudo_counts[k]:
                figures[f'hidden_precision/{name}'] = float(self.right_counts[k] / self.pseudo_counts[k])
        total = self.fate_counts[: len(FATES) - 1].sum()
        if total:
            figures |= {
                f'share/{name}': float(x / total) for name, x in zip(FATES[:-1], self.fate_counts, strict=False)
            }
        if self.judged:
            figures['hidden_share_on_unknown'] = self.on_unknown / self.judged
        if self.judged_unknown:
            figures['hidden_precision/unknown'] = self.right_unknown / self.judged_unknown
        self.clear()
        return figures

    def _by_class(self, labels: Tensor) -> np.ndarray:
        return torch.bincount(labels.cpu(), minlength=self.classes)[: self.classes].numpy()
