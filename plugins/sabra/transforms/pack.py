"""What a relation model gets: image or nothing, truth, and the boxes it is given."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData

META = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'pad_offset', 'relation_truth')


@TRANSFORMS.register_module()
class PackRelations(BaseTransform):
    """Inputs and data sample of an image.

    The sample has ``gt_instances`` (bboxes, labels, annotated, ignored: a crowd or a box without area, which the
    detector does not learn; in the order of the file, so that relations point into them), ``gt_relations`` (triplets
    (R, 3)) and, where the pipeline made some, ``proposals`` (bboxes, labels, scores; features (D, E) and unions (D, D,
    U) of feature files) and ``proposal_pairs`` (indices (P, 2): the pairs that are asked about). Inputs are the image
    (3, H, W) uint8, or an empty tensor where the pipeline loads none (`boxes` mode); then boxes are in pixels of the
    original image.

    Args:
        meta_keys: what is carried to metric and predictor.
        extent: without an image, its size is what the proposals span, from 0; for annotations without sizes (VRD).
    """

    def __init__(self, meta_keys: tuple[str, ...] = META, extent: bool = False):
        self.meta_keys, self.extent = meta_keys, extent

    def transform(self, results: dict) -> dict:
        image = results.get('img')
        if image is None:
            shape = self._extent(results) if self.extent else (results['height'], results['width'])
            results = dict(results, ori_shape=shape, img_shape=shape, scale_factor=(1.0, 1.0))
            inputs = torch.zeros(0)
        else:
            inputs = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        sample = DetDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        truth = results.get('relation_truth')
        if truth is not None and 'gt_bboxes' in results:
            boxes = results['gt_bboxes']
            boxes = torch.tensor(boxes) if isinstance(boxes, np.ndarray) else get_box_tensor(boxes)
            ignored = results.get('gt_ignore_flags', np.zeros(len(truth.labels)))
            sample.gt_instances = InstanceData(
                bboxes=boxes.float(),
                labels=torch.tensor(truth.labels),
                annotated=torch.tensor(truth.annotated),
                ignored=torch.tensor(np.asarray(ignored, bool)),
            )
            sample.gt_relations = InstanceData(triplets=torch.tensor(truth.relations))
        if 'proposals' in results:
            boxes, labels, scores = (torch.from_numpy(x) for x in results['proposals'])
            sample.proposals = InstanceData(bboxes=boxes, labels=labels, scores=scores)
            for name, values in results.get('proposal_features', {}).items():
                sample.proposals[name] = torch.from_numpy(values)
        if 'proposal_pairs' in results:
            sample.proposal_pairs = InstanceData(indices=torch.from_numpy(results['proposal_pairs']))
        return dict(inputs=inputs, data_samples=sample)

    @staticmethod
    def _extent(results: dict) -> tuple[int, int]:
        boxes = results['proposals'][0]
        width, height = np.ceil(boxes[:, 2:].max(0)).astype(int).tolist() if len(boxes) else (1, 1)
        return max(height, 1), max(width, 1)
