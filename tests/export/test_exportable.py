"""What does not export is refused by name before time is spent, with what does."""

import pytest
from mmdet.registry import MODELS
from stock_detectors import stock_detector
from torch import nn

from detplug.errors import UserError
from detplug.export.exportable import Selection, check_exportable, needs_image_sizes


def refused(model, words: str, raw: bool = False) -> None:
    with pytest.raises(UserError, match=words) as error:
        check_exportable(model, raw)
    assert '\n' not in str(error.value)


@pytest.fixture(scope='module')
def retinanet():
    return stock_detector('RetinaNet')


@pytest.fixture
def faster_rcnn():
    return stock_detector('FasterRCNN')


def test_another_head_is_named(retinanet):
    model = nn.Module()
    model.bbox_head = MODELS.build(dict(type='ATSSHead', num_classes=2, in_channels=8, feat_channels=32,
                                        anchor_generator=dict(type='AnchorGenerator', scales=[8], ratios=[1.0],
                                                              strides=[8])))  # fmt: skip
    refused(model, 'ATSSHead of Module has no dense_predictions.*RTMDet, YOLOX, RetinaNet, FCOS, Faster R-CNN')
    refused(retinanet, 'RetinaHead has no raw_predictions.*leave --raw out', raw=True)
    refused(nn.Identity(), 'Identity has no dense_predictions')


def test_a_subclass_is_not_taken_for_its_parent():
    model = nn.Module()
    model.bbox_head = type('RetinaHead', (nn.Module,), {})()  # of this file, not mmdet's
    refused(model, 'RetinaHead of Module has no dense_predictions')


@pytest.mark.parametrize('part', ['mask_head', 'shared_head'])
def test_a_two_stage_detector_with_more_is_named(faster_rcnn, part):
    check_exportable(faster_rcnn, raw=False)
    setattr(faster_rcnn.roi_head, part, nn.Identity())
    refused(faster_rcnn, f'FasterRCNN with roi_head.{part}')


def test_another_part_of_a_two_stage_detector_is_named(faster_rcnn):
    faster_rcnn.roi_head.bbox_head = nn.Identity()
    refused(faster_rcnn, 'FasterRCNN, roi_head.bbox_head Identity')
    faster_rcnn.rpn_head = None
    refused(faster_rcnn, 'FasterRCNN, without rpn_head')


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(nms=dict(type='soft_nms', iou_threshold=0.5)), 'soft_nms'),
        (dict(min_bbox_size=4), 'min_bbox_size=4'),
        (dict(max_per_img=5000), 'at most 3840'),
    ],
)
def test_a_setting_that_the_graph_does_not_have_is_named(settings, words):
    model = stock_detector('RetinaNet')
    model.bbox_head.test_cfg.update(settings)
    refused(model, words)


def test_who_states_no_limit_of_detections_gets_one(retinanet):
    model = stock_detector('YOLOX')
    assert Selection.of(model).max_per_img == 1000 and Selection.of(retinanet).max_per_img == 100
    assert needs_image_sizes(retinanet) and not needs_image_sizes(model)
