"""``max_per_class`` where it has no effect, or as no number, is one line at the start of every command."""

from pathlib import Path

import pytest
from mmdet.registry import MODELS

from detplug.cli.config import load_config
from detplug.errors import UserError
from detplug.export.exportable import Selection

ROOT = Path(__file__).resolve().parents[2]


def load(tmp_path: Path, config: str, lines: str):
    path = tmp_path / 'own.py'
    path.write_text(f'_base_ = {str(ROOT / "configs" / config)!r}\n{lines}\n')
    return load_config(path)


@pytest.mark.parametrize(
    ('config', 'lines', 'path', 'head'),
    [
        (
            'yolov5/faster-rcnn_yolov5n_bccd.py',
            'model = dict(test_cfg=dict(rcnn=dict(max_per_class=300)))',
            'model.test_cfg.rcnn',
            'Shared2FCBBoxHead',
        ),
        (
            'openset/faster-rcnn_yolov5n_malaria.py',
            'model = dict(teacher_cfg=dict(max_per_class=300))',
            'model.teacher_cfg',
            'WeightedBBoxHead',
        ),
        (
            'openset/soft-teacher_malaria.py',
            'model = dict(detector=dict(test_cfg=dict(rcnn=dict(max_per_class=300))))',
            'model.detector.test_cfg.rcnn',
            'Shared2FCBBoxHead',
        ),
    ],
)
def test_a_head_without_it_refuses(config, lines, path, head, tmp_path):
    with pytest.raises(UserError, match=f'{path}.max_per_class: {head} has no limit.*larger max_per_img') as error:
        load(tmp_path, config, lines)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('config', ['yolov5/yolov5n_bccd.py', 'tt_yolov5/tt-yolov5n_bccd.py'])
def test_heads_that_have_it_take_it(config):
    config = load_config(ROOT / 'configs' / config, ['model.test_cfg.max_per_class=7'])
    assert config.model.test_cfg.max_per_class == 7


def test_the_teacher_of_a_head_that_has_it_takes_it():
    config = load_config(ROOT / 'configs/openset/yolov5n_bccd7.py', ['model.teacher_cfg.max_per_class=7'])
    assert config.model.teacher_cfg.max_per_class == 7


def test_what_is_no_limit_is_named_with_its_path():
    with pytest.raises(UserError, match=r'yolov5n_bccd.py: model.test_cfg: max_per_class: 0 is no whole number'):
        load_config(ROOT / 'configs/yolov5/yolov5n_bccd.py', ['model.test_cfg.max_per_class=0'])


def test_a_graph_with_it_of_a_head_without_it_is_refused():
    """torch would find other boxes than the graph."""
    config = load_config(ROOT / 'configs/yolov5/faster-rcnn_yolov5n_bccd.py')
    config.model.test_cfg.rcnn.max_per_class = 7
    with pytest.raises(UserError, match='test_cfg: max_per_class: StandardRoIHead has no such limit'):
        Selection.of(MODELS.build(config.model))
