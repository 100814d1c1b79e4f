"""Ground truth of a batch: for the relation head all of it, for the detector without what must not be a target.

Letters: B images, G objects, R relations.
"""

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from .image_boxes import pad_boxes
from .proposals import Truth


def image_sizes(samples: list[DetDataSample], like: Tensor) -> Tensor:
    """(B, 2) width and height in px of the images in the network's input, at least 1."""
    return like.new_tensor([x.img_shape[1::-1] for x in samples]).clamp(min=1)


def image_offsets(samples: list[DetDataSample], like: Tensor) -> Tensor | None:
    """(B, 2) px of padding left of and above the images; None where no image has any."""
    offsets = [tuple(x.metainfo.get('pad_offset', (0, 0))) for x in samples]
    return like.new_tensor(offsets) if any(map(any, offsets)) else None


def truth_of(samples: list[DetDataSample]) -> Truth:
    """Objects and relations of a batch."""
    truths = [x.gt_instances for x in samples]
    objects = pad_boxes(truths, image_sizes(samples, truths[0].bboxes))
    rows = [
        torch.cat([torch.full_like(x.gt_relations.triplets[:, :1], number), x.gt_relations.triplets], 1)
        for number, x in enumerate(samples)
    ]
    annotated = torch.nn.utils.rnn.pad_sequence([x.annotated for x in truths], batch_first=True)
    if not annotated.shape[1]:
        annotated = objects.valid
    return Truth(objects, torch.cat(rows), annotated)


def are_targets(truth: InstanceData) -> Tensor:
    """(G,) bool: objects that a detector learns from: they have an area and are no crowd (``ignored``)."""
    return has_area(truth) & ~truth.ignored if 'ignored' in truth else has_area(truth)


def has_area(truth: InstanceData) -> Tensor:
    """(G,) bool."""
    return (truth.bboxes[:, 2:] > truth.bboxes[:, :2]).all(1)


def detector_samples(samples: list[DetDataSample]) -> list[DetDataSample]:
    """What the detector's loss gets: the targets, and as ``ignored_instances`` the crowds.

    A box without area is neither: as a region of its own it has targets of -inf (mmdet adds the ground truth to the
    RPN's regions), and every loss of the step is NaN.
    """
    out = []
    for sample in samples:
        truth, good = sample.gt_instances, are_targets(sample.gt_instances)
        boxes_only = DetDataSample(metainfo=sample.metainfo)
        for name, rows in (('gt_instances', good), ('ignored_instances', has_area(truth) & ~good)):
            rows = rows.nonzero()[:, 0]  # once: a mask would make the host wait for each field
            boxes_only.set_field(InstanceData(bboxes=truth.bboxes[rows], labels=truth.labels[rows]), name, InstanceData)
        out.append(boxes_only)
    return out


def with_truth(detections: InstanceData, sample: DetDataSample) -> InstanceData:
    """The detector's targets with score 1, then what was found; without features, which the truth does not have."""
    truth, rows = sample.gt_instances, are_targets(sample.gt_instances).nonzero()[:, 0]
    boxes = truth.bboxes[rows]
    truth_boxes = InstanceData(bboxes=boxes, labels=truth.labels[rows], scores=torch.ones_like(boxes[:, 0]))
    return InstanceData.cat(
        [truth_boxes, InstanceData(bboxes=detections.bboxes, labels=detections.labels, scores=detections.scores)]
    )
