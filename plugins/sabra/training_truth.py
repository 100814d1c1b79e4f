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
    judged = torch.nn.utils.rnn.pad_sequence([x.judged for x in truths], batch_first=True)
    if not judged.shape[1]:
        judged = objects.valid
    return Truth(objects, torch.cat(rows), judged)


def are_targets(truth: InstanceData) -> Tensor:
    """(G,) bool: objects that a detector learns from: they have an area and are no crowd (``ignored``)."""
    sides = truth.bboxes[:, 2:] - truth.bboxes[:, :2]
    good = (sides > 0).all(1)
    return good & ~truth.ignored if 'ignored' in truth else good


def detector_samples(samples: list[DetDataSample]) -> list[DetDataSample]:
    """What the detector's loss gets: the targets, and as ``ignored_instances`` the crowds.

    A box without area is neither: as a region of its own it has targets of -inf (mmdet adds the ground truth to the
    RPN's regions), and every loss of the step is NaN.
    """
    out = []
    for sample in samples:
        truth, good = sample.gt_instances, are_targets(sample.gt_instances)
        area = ((truth.bboxes[:, 2:] - truth.bboxes[:, :2]) > 0).all(1)
        own = DetDataSample(metainfo=sample.metainfo)
        own.gt_instances = InstanceData(bboxes=truth.bboxes[good], labels=truth.labels[good])
        crowd = area & ~good
        own.ignored_instances = InstanceData(bboxes=truth.bboxes[crowd], labels=truth.labels[crowd])
        out.append(own)
    return out


def with_truth(found: InstanceData, sample: DetDataSample) -> InstanceData:
    """The detector's targets with score 1, then what was found; without features, which the truth does not have."""
    truth = sample.gt_instances[are_targets(sample.gt_instances)]
    own = InstanceData(bboxes=truth.bboxes, labels=truth.labels, scores=torch.ones_like(truth.bboxes[:, 0]))
    return InstanceData.cat([own, InstanceData(bboxes=found.bboxes, labels=found.labels, scores=found.scores)])
