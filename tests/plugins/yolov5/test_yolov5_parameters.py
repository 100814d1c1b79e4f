"""The five sizes have exactly the published numbers of parameters."""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from plugins.yolov5.fuse import fuse

MODELS_FOLDER = Path(__file__).resolve().parents[3] / 'configs' / '_base_' / 'models'
PUBLISHED = {
    'n': (1872157, 1867405),
    's': (7235389, 7225885),
    'm': (21190557, 21172173),
    'l': (46563709, 46533693),
    'x': (86749405, 86705005),
}


@pytest.mark.parametrize('size', PUBLISHED)
def test_numbers_of_parameters_are_the_published_ones(size):
    init_default_scope('mmdet')
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(MODELS_FOLDER / f'yolov5{size}.py').model)
    counts = tuple(sum(x.numel() for x in net.parameters()) for net in (model, fuse(model)))
    assert counts == PUBLISHED[size]
