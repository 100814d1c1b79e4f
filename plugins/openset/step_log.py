"""Counts of what happens to pseudo-labels, for the training log. K known classes, label K is "unknown".

Sums stay on the device and cross processes when a row is written, so that no step waits for them.
"""

import torch
from mmdet.structures import DetDataSample
from mmengine.dist import all_reduce, get_rank
from torch import Tensor

from .fusion import FATES, KNOWN, UNKNOWN, TeacherBoxes
from .hidden_labels import hidden_unknown, on_any, right_boxes


class StepLog:
    """Sums since the last :meth:`take`; what comes from hidden labels has ``hidden`` in its name.

    All are float64: ``objects`` (3, K + 1) labelled objects, pseudo-labels, and those of them that are right; ``fates``
    (4,) teacher boxes; ``hidden`` (6,), in images with hidden labels: known pseudo-labels, those on unknown objects,
    "unknown" pseudo-labels, those on unknown objects, unknown objects that an "unknown" pseudo-label lies on, unknown
    objects.

    Args:
        classes: K.
    """

    def __init__(self, classes: int):
        self.classes = classes
        self.clear()

    def clear(self) -> None:
        """Begin to count anew."""
        shapes = dict(objects=(3, self.classes + 1), fates=(len(FATES),), hidden=(6,))
        self.sums = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The sums so far."""
        return {name: x.cpu().clone() for name, x in self.sums.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """What :meth:`state_dict` gave; they are the sums of all processes and belong to the first one."""
        self.clear()
        if get_rank() == 0:
            self.sums = {name: state[name].clone() for name in self.sums}

    def merge_processes(self) -> None:
        """Give the sums of all processes to the first one: called by all, before it saves or writes them."""
        for x in self.sums.values():
            all_reduce(x)
            if get_rank() != 0:
                x.zero_()

    def labelled(self, samples: list[DetDataSample]) -> None:
        """Count the labelled objects of a batch."""
        labels = torch.cat([x.gt_instances.labels for x in samples])
        add(self._on(labels.device)['objects'][0], labels)

    def pseudo(self, detections: TeacherBoxes, fate: Tensor, sample: DetDataSample) -> None:
        """Count one image's teacher boxes by fate and, if it has hidden labels, how many are right."""
        sums = self._on(fate.device)
        add(sums['fates'], fate)
        known, unknown = fate == KNOWN, fate == UNKNOWN
        labels = torch.where(unknown, self.classes, detections.labels)
        add(sums['objects'][1], labels, known | unknown)
        objects, right = (
            hidden_unknown(sample, detections.boxes),
            right_boxes(detections.boxes, detections.labels, sample),
        )
        if objects is None or right is None:
            return
        on_unknown = on_any(detections.boxes, objects)
        add(sums['objects'][2], labels, (known & right) | (unknown & on_unknown))
        hit = on_any(objects, detections.boxes.masked_fill(~unknown[:, None], -1))
        counts = [known, known & on_unknown, unknown, unknown & on_unknown, hit, torch.ones_like(hit)]
        sums['hidden'] += torch.stack([x.sum() for x in counts])

    def take(self, names: tuple[str, ...], thresholds: Tensor) -> dict[str, float]:
        """Flat figures since the last call, and begin anew; figures without a denominator are left out."""
        (labelled, pseudo, right), fates, hidden = (x.tolist() for x in self.sums.values())
        pseudo_known, on_unknown, called, called_right, hit, present = hidden
        values, figures = thresholds.tolist(), {}
        self.clear()
        for k, name in enumerate(names):
            figures |= {f'labelled/{name}': labelled[k], f'pseudo/{name}': pseudo[k], f'threshold/{name}': values[k]}
            if pseudo_known and pseudo[k]:
                figures[f'hidden_precision/{name}'] = right[k] / pseudo[k]
        figures['pseudo/unknown'] = pseudo[-1]
        total = sum(fates[:-1])
        if total:
            figures |= {f'share/{name}': count / total for name, count in zip(FATES[:-1], fates, strict=False)}
        if pseudo_known:
            figures['hidden_share_on_unknown'] = on_unknown / pseudo_known
        if pseudo_known or called or present:
            figures |= {'hidden_pseudo/unknown': called, 'hidden_objects/unknown': present}
        if called:
            figures['hidden_precision/unknown'] = called_right / called
        if present:
            figures['hidden_recall/unknown'] = hit / present
        return figures

    def _on(self, device: torch.device) -> dict[str, Tensor]:
        """The sums on a device."""
        self.sums = {name: x.to(device) for name, x in self.sums.items()}
        return self.sums


def add(sums: Tensor, labels: Tensor, chosen: Tensor | None = None) -> None:
    """Add the number of each label 0..C-1, of the chosen ones alone, to the (C,) sums, without waiting for a device."""
    ones = torch.ones_like(labels) if chosen is None else chosen
    sums.index_add_(0, labels, ones.to(sums))
