"""Real crowded images: the truth as prediction scores exactly 1 at 300 detections, and COCO's 100 caps it."""

import numpy as np
import torch

from detplug.data.coco import CheckedCocoDataset
from detplug.evaluation.box_ap import BoxAP


def truth_as_prediction(dataset, max_dets):
    metric = BoxAP(max_dets=max_dets)
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        counted = [x for x in info['instances'] if not x['ignore_flag']]
        predicted = dict(
            bboxes=torch.tensor([x['bbox'] for x in counted], dtype=torch.float64).reshape(-1, 4),
            labels=torch.tensor([x['bbox_label'] for x in counted], dtype=torch.int64),
            scores=torch.ones(len(counted)),
        )
        metric.process(None, [info | dict(ori_shape=(info['height'], info['width']), pred_instances=predicted)])
    return metric.evaluate(len(dataset)), metric.images


def test_malaria(real_data):
    dataset = CheckedCocoDataset(
        data_root=str(real_data('malaria')),
        ann_file='annotations.json',
        data_prefix=dict(img='images/'),
        metainfo=dict(classes=('red blood cell', 'ring', 'gametocyte')),
        unknown_classes=('trophozoite', 'schizont'),
        ignore_classes=('difficult',),
        images_file='splits.json',
        images_key='test',
        test_mode=True,
        pipeline=[],
    )
    metrics, images = truth_as_prediction(dataset, 300)
    assert len(images) == 73 and np.mean([len(x.gt_boxes) for x in images]) > 80
    assert metrics['map'] == metrics['ap/red blood cell'] == metrics['ar'] == 1.0
    assert truth_as_prediction(dataset, 100)[0]['ap/red blood cell'] < 0.98
