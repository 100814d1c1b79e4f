"""Labels of CocoMetric go by name: truth as prediction scores 1, whatever the order of the file's categories."""

import json

import pytest
import torch
from mmdet.evaluation import CocoMetric

from detplug.errors import UserError
from detplug.evaluation.coco_metric import CheckedCocoMetric

CLASSES = ('cat', 'dog', 'emu')
BOXES = {7: ([10.0, 10, 30, 40], 'emu'), 9: ([5.0, 5, 60, 50], 'cat'), 12: ([1.0, 2, 40, 41], 'dog')}


def write(path, order) -> str:
    ids = {name: 40 + i for i, name in enumerate(order)}
    annotations = [
        dict(
            id=i,
            image_id=image,
            category_id=ids[name],
            bbox=[x, y, x2 - x, y2 - y],
            area=1000,
            iscrowd=0,
        )
        for i, (image, ((x, y, x2, y2), name)) in enumerate(BOXES.items(), 1)
    ]
    data = dict(
        images=[dict(id=image, file_name=f'{image}.png', width=64, height=64) for image in (*BOXES, 99)],
        annotations=annotations,
        categories=[dict(id=number, name=name) for name, number in ids.items()],
    )
    path.write_text(json.dumps(data))
    return str(path)


def score(kind, ann_file: str) -> float:
    """mAP of the truth as prediction, of the images in BOXES."""
    metric = kind(ann_file=ann_file)
    metric.dataset_meta = dict(classes=CLASSES)
    for image, (box, name) in BOXES.items():
        predicted = dict(bboxes=torch.tensor([box]), scores=torch.ones(1), labels=torch.tensor([CLASSES.index(name)]))
        metric.process({}, [dict(img_id=image, ori_shape=(64, 64), pred_instances=predicted)])
    return metric.evaluate(len(BOXES))['coco/bbox_mAP']


@pytest.mark.parametrize('order', [CLASSES, CLASSES[::-1], ('dog', 'emu', 'cat')], ids=str)
def test_truth_as_prediction_is_1(order, tmp_path):
    path = write(tmp_path / 'a.json', order)
    assert score(CheckedCocoMetric, path) == 1.0
    assert (score(CocoMetric, path) == 1.0) is (order == CLASSES), 'mmdet goes by the order of the file'


def test_a_class_or_a_file_that_is_not_there_is_one_line(tmp_path):
    write(tmp_path / 'a.json', CLASSES)
    data = json.loads((tmp_path / 'a.json').read_text())
    data['categories'][2]['name'] = 'emus'
    (tmp_path / 'a.json').write_text(json.dumps(data))
    with pytest.raises(UserError, match="a.json: classes: not in the annotations: 'emu' .did you mean 'emus'"):
        score(CheckedCocoMetric, str(tmp_path / 'a.json'))
    with pytest.raises(UserError, match='gone.json: not found; set ann_file of the evaluator'):
        CheckedCocoMetric(ann_file=str(tmp_path / 'gone.json'))


def test_a_detector_that_finds_nothing_has_ap_0(tmp_path):
    metric = CheckedCocoMetric(ann_file=write(tmp_path / 'a.json', CLASSES))
    metric.dataset_meta = dict(classes=CLASSES)
    nothing = dict(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), labels=torch.zeros(0, dtype=torch.int64))
    for image in BOXES:
        metric.process({}, [dict(img_id=image, ori_shape=(64, 64), pred_instances=nothing)])
    figures = metric.evaluate(len(BOXES))
    assert figures['coco/bbox_mAP'] == figures['coco/bbox_mAP_50'] == 0.0
