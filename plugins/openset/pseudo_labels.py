"""Targets of the student from what was decided of the teacher's boxes, and why there are none. K known classes."""

from collections.abc import Sequence

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from .fusion import IGNORED, KNOWN, UNKNOWN, Decision, TeacherBoxes
from .geometry import project_boxes
from .plan import ModePlan
from .thresholds import ClassThresholds


def set_targets(
    detections: TeacherBoxes,
    decision: Decision,
    source: DetDataSample,
    target: DetDataSample,
    classes: int,
    weigh: bool,
) -> None:
    """Give the strong view ``target`` the boxes of the weak view ``source``: ``gt_instances``, ``ignored_instances``.

    Args:
        classes: K, the label of "unknown".
        weigh: the targets have ``weights``: those of the decision for "unknown", 1 for the others.
    """
    fate = decision.fate
    taken, ignored = (x.nonzero()[:, 0] for x in ((fate == KNOWN) | (fate == UNKNOWN), fate == IGNORED))
    labels = torch.where(fate == UNKNOWN, classes, detections.labels)
    learned = InstanceData(bboxes=detections.boxes[taken], labels=labels[taken])
    if weigh:
        learned.weights = torch.where(fate == UNKNOWN, decision.weights, 1.0)[taken]
    target.gt_instances = project_boxes(learned, source, target)
    target.ignored_instances = project_boxes(
        InstanceData(bboxes=detections.boxes[ignored], labels=labels[ignored]), source, target
    )


def why_none(answers: Sequence[TeacherBoxes], thresholds: ClassThresholds, plan: ModePlan) -> str:
    """What keeps the teacher's boxes of one step from becoming pseudo-labels, for a warning."""
    labels, scores = (torch.cat([getattr(x, name) for x in answers]) for name in ('labels', 'scores'))
    known = labels < len(thresholds.ap)
    if not known.any():
        return 'the teacher finds nothing; train longer on labelled images (burn_in)'
    labels, scores = labels[known], scores[known]
    needed = thresholds.values.to(scores)[labels]
    closest = int((scores - needed).argmax())
    score, threshold = float(scores[closest]), float(needed[closest])
    if score < threshold:
        return (
            f"the teacher's box closest to a threshold scores {score:.3f}, that of its class {int(labels[closest])} is "
            f'{threshold:.3f}; train longer on labelled images (burn_in) or lower thresholds.{thresholds.bound}'
        )
    if plan.ood_source is None:
        return 'boxes are sure enough, but too small in the strong view; look at the unlabelled pipeline'
    return 'boxes are sure enough but look out-of-distribution: raise fusion.tau_low or add labelled images'
