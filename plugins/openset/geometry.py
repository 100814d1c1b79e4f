"""From the weak view to the strong view and to the image file; boxes xyxy in pixels."""

import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_project
from mmengine.structures import InstanceData
from torch import Tensor


def homography(sample: DetDataSample, like: Tensor) -> Tensor:
    """(3, 3) from the loaded image to the view; a view that nothing moved has none recorded."""
    matrix = sample.metainfo.get('homography_matrix')
    return torch.eye(3).to(like) if matrix is None else torch.as_tensor(matrix).to(like)


def project_boxes(
    instances: InstanceData, source: DetDataSample, target: DetDataSample, smallest: float = 2.0
) -> InstanceData:
    """Instances of one view in another view of the image, clipped to it.

    Boxes with a side below ``smallest`` px are left out. mmdet's own projection moves ``gt_instances`` only; ignored
    regions must move too.
    """
    boxes = instances.bboxes
    if not len(boxes):
        return instances
    matrix = homography(target, boxes) @ homography(source, boxes).inverse()
    moved = instances.new()
    moved.bboxes = bbox_project(boxes, matrix, target.img_shape)
    for name, value in instances.items():
        if name != 'bboxes':
            moved.set_field(value, name)
    return moved[(moved.bboxes[:, 2:] - moved.bboxes[:, :2]).amin(1) >= smallest]


def hidden_in_view(items: list[dict], sample: DetDataSample, like: Tensor) -> Tensor:
    """(U, 4) boxes of the hidden labels, pixels of the file, in the view of ``sample``."""
    boxes = like.new_tensor([x['bbox'] for x in items if not x.get('ignore_flag', 0)]).reshape(-1, 4)
    factor = like.new_tensor(sample.metainfo.get('scale_factor', (1.0, 1.0))).repeat(2)
    return bbox_project(boxes * factor, homography(sample, boxes), sample.img_shape) if len(boxes) else boxes
