"""Which detectors the accelerator takes, by shapes alone: any channel count, any size its memories are made for."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

pytest.importorskip('brevitas', reason='the extra [fpga] is not installed')

import plugins.tensor_train.register
import plugins.yolov5.register  # noqa: F401
from detplug.errors import UserError
from plugins.fpga.bundle.fit import check_fit


def detector(width: float, depth: float = 0.33, ranks: int | None = None) -> torch.nn.Module:
    """YOLOv5 with SiLU; its layers of ``ranks`` where given."""
    channels = [round(width * c) for c in (256, 512, 1024)]
    config = dict(
        type='SingleStageDetector',
        backbone=dict(type='YOLOv5Backbone', depth=depth, width=width),
        neck=dict(type='YOLOv5Neck', depth=depth, in_channels=channels),
        bbox_head=dict(type='YOLOv5Head', num_classes=3, in_channels=channels),
    )
    return MODELS.build(config | (dict(type='TTCompressed', of=config['type'], ranks=ranks) if ranks else {}))


@pytest.mark.parametrize(('width', 'array'), [(0.125, 16), (0.125, 32), (0.25, 32), (0.375, 16)])
def test_any_width_and_array(width, array):
    check_fit(detector(width), Config(dict(fpga=dict(array=array))), 64, 'chain')


def test_large_images_and_rebuilt_kernels_need_deeper_memories():
    narrow = detector(0.125)
    with pytest.raises(UserError, match='columns of the output: need 640 words; make the accumulator memory'):
        check_fit(narrow, Config({}), 1280, 'chain')
    check_fit(narrow, Config(dict(fpga=dict(memories=dict(sums=1024)))), 1280, 'chain')
    ranks = detector(0.5, ranks=128)
    with pytest.raises(UserError, match='need .* words; make the weight memory'):
        check_fit(ranks, Config({}), 64, 'rebuild')
    deeper = dict(memories=dict(weights=65536, activations=16384), board='Alveo U250')
    check_fit(ranks, Config(dict(fpga=deeper)), 64, 'rebuild')


def test_a_stem_of_cores_is_folded_at_640_px():
    check_fit(detector(0.25, ranks=3), Config({}), 640, 'chain')
