"""A mode that never trains the class "unknown" says so in its predictions, and the metric leaves its figures out."""

import pytest
import torch
from tiny_open_set import SIDE, build_detector, sample, two_stage

from plugins.openset.metrics import OpenSetMetric
from plugins.openset.plan import MODES

OBJECT = dict(bbox=[4.0, 4, 30, 40], ignore_flag=0)


def figures(model) -> dict:
    truth = dict(instances=[OBJECT | dict(bbox_label=0)], unknown_instances=[OBJECT | dict(name='blue')])
    samples = [sample(img_id=i, img_path='', **truth) for i in range(2)]
    detections = model.eval().predict(torch.rand(2, 3, SIDE, SIDE), samples)
    metric = OpenSetMetric()
    metric.dataset_meta = dict(classes=('red', 'green'))
    metric.process({}, [x.to_dict() for x in detections])
    return metric.evaluate(2)


@pytest.mark.parametrize('mode', MODES)
def test_every_mode(mode):
    model = build_detector(mode)
    for branch in (model.teacher, model.student):
        branch.bbox_head.test_cfg['score_thr'] = 0.0  # an untrained column names boxes unknown too
    metrics = figures(model)
    assert ('u_recall_1' in metrics) == ('unknown_ap' in metrics) == model.names_unknown == mode.startswith('oodfc')


@pytest.mark.parametrize('mode', ('closed', 'oodfc'))
def test_two_stage(mode):
    assert ('u_recall_1' in figures(build_detector(mode, two_stage()))) == (mode == 'oodfc')
