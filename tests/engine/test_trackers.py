"""The rows of history.jsonl reach every back end of the visualizer; a tracker that is not installed is refused."""

import pytest
from mmengine.config import Config
from mmengine.registry import VISBACKENDS
from mmengine.visualization.vis_backend import BaseVisBackend
from tiny_training import build, write_images

from detplug.engine import trackers
from detplug.engine.history import read_history
from detplug.errors import UserError


@VISBACKENDS.register_module()
class ListBackend(BaseVisBackend):
    """Keeps what it is given."""

    rows, closed = [], 0

    def _init_env(self):
        pass

    @property
    def experiment(self):
        return self

    def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs):
        self.rows.append(dict(scalar_dict, step=step))

    def close(self):
        ListBackend.closed += 1


def test_a_back_end_gets_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(ListBackend, 'rows', [])
    monkeypatch.setattr(ListBackend, 'closed', 0)
    write_images(tmp_path)
    visualizer = dict(type='mmengine.Visualizer', vis_backends=[dict(type='LocalVisBackend'), dict(type='ListBackend')])
    build(tmp_path, train_cfg__max_iters=4, train_cfg__val_interval=2, visualizer=visualizer).train()
    rows = read_history(tmp_path / 'work/history.jsonl')
    assert ListBackend.rows == rows and len(rows) == 6 and 'val/score' in rows[-1]
    assert ListBackend.closed == 1 and not list(tmp_path.rglob('scalars.json'))


def test_the_option_adds_its_back_end_to_those_that_are_there(monkeypatch):
    monkeypatch.setattr(trackers, 'find_spec', lambda name: object())
    config = Config(dict(work_dir='w', visualizer=None))
    trackers.use_tracker(config, 'tensorboard')
    trackers.use_tracker(config, 'mlflow')
    trackers.use_tracker(config, 'mlflow')
    assert [x.type for x in config.visualizer.vis_backends] == ['TensorboardVisBackend', 'MLflowVisBackend']
    assert config.visualizer.type == 'mmengine.Visualizer' and config.visualizer.save_dir == 'w'


def test_a_missing_package_is_one_line_with_the_cure(monkeypatch):
    monkeypatch.setattr(trackers, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match='--log-to wandb: wandb is not installed; pip install wandb'):
        trackers.use_tracker(Config(dict(work_dir='w')), 'wandb')
