"""Dense predictions of mmdet's heads and of Faster R-CNN, selected, are what mmdet's own ``predict`` finds."""

import numpy as np
import pytest
import torch
from eager_operators import align, select
from mmdet.structures import DetDataSample
from stock_detectors import CONFIGS, stock_detector

from detplug.export import graph, two_stage
from detplug.export.compare import Agreement
from detplug.export.exportable import Selection, check_exportable, needs_image_sizes
from detplug.runtime.detections import Detections

CASES = [((96, 64), (96, 64)), ((64, 96), (50, 90)), ((64, 64), (64, 33))]  # input and image: height, width


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    monkeypatch.setattr(graph, 'select_detections', select)
    monkeypatch.setattr(two_stage, 'select_detections', select)
    monkeypatch.setattr(two_stage, 'roi_align_rows', align)


def detections(rows, limit: int) -> Detections:
    boxes, scores, labels = (np.asarray(x)[:limit] for x in rows)
    return Detections(boxes, scores, labels, tuple('abcde'))


def agreement_of(model, images: torch.Tensor, sizes: list[tuple[int, int]]) -> tuple[Agreement, list[int]]:
    """mmdet's predict and the graph's, of a batch; and how many boxes of each image."""
    metas = [dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0)) for size in sizes]
    chosen, result, counts = Selection.of(model), Agreement(), []
    with torch.no_grad():
        samples = model.predict(images, [DetDataSample(metainfo=meta) for meta in metas])
        widths = torch.tensor([size[::-1] for size in sizes]).float() if needs_image_sizes(model) else None
        count, *found = graph.DetectionGraph(model, chosen)(images, widths)
    for i, sample in enumerate(samples):
        own = sample.pred_instances
        theirs = detections((own.bboxes, own.scores, own.labels), chosen.max_per_img)
        result.add(theirs, detections((x[i, : count[i]] for x in found), 10**6), chosen.score_thr, chosen.max_per_img)
        counts.append(int(count[i]))
    return result, counts


@pytest.mark.parametrize('name', CONFIGS)
def test_it_finds_what_mmdet_finds(name):
    model = stock_detector(name)
    check_exportable(model, raw=False)
    generator = torch.Generator().manual_seed(1)
    spread = 255.0 if name == 'YOLOX' else 1.0
    for number, (shape, size) in enumerate(CASES):
        images = torch.randn(2, 3, *shape, generator=generator) * spread
        result, counts = agreement_of(model, images, [size, shape])
        assert result.passed and not result.near_threshold, (number, result)
        assert min(counts) > 10, counts


@pytest.mark.parametrize('name', ['RetinaNet', 'RTMDet', 'FasterRCNN'])
def test_the_settings_have_their_effect(name):
    """Other limits find other boxes, and the graph's follow mmdet's."""
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    counts = []
    for nms_pre, limit, score_thr in ((1000, 100, 0.05), (20, 100, 0.05), (1000, 7, 0.05), (1000, 100, 0.9)):
        model = stock_detector(name)
        cfg = model.roi_head.test_cfg if name == 'FasterRCNN' else model.bbox_head.test_cfg
        (model.rpn_head.test_cfg if name == 'FasterRCNN' else cfg).nms_pre = nms_pre
        cfg.update(max_per_img=limit, score_thr=score_thr)
        result, found = agreement_of(model, images, [(64, 96)])
        assert result.passed, result
        counts += found
    assert counts[2] == 7 and counts[0] != counts[1] and counts[3] < counts[0]
