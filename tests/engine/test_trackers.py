"""The rows of history.jsonl reach every back end of the visualizer; a tracker that is not installed is refused."""

import os

import pytest
from mmengine.config import Config
from mmengine.registry import VISBACKENDS
from mmengine.visualization.vis_backend import BaseVisBackend
from tiny_training import MeanScore, build, write_images

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
    monkeypatch.delenv('MLFLOW_TRACKING_URI', raising=False)
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')  # is set where it is not, and then taken away again
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


def test_mlflow_gets_the_server_of_the_environment_and_no_copy_of_the_work_folder(monkeypatch):
    monkeypatch.setenv('MLFLOW_TRACKING_URI', 'http://server')
    assert trackers.mlflow_options() == dict(artifact_suffix=(), tracking_uri='http://server')
    monkeypatch.delenv('MLFLOW_TRACKING_URI')
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', '')
    monkeypatch.delenv('MLFLOW_ALLOW_FILE_STORE')
    assert trackers.mlflow_options() == dict(artifact_suffix=()) and os.environ['MLFLOW_ALLOW_FILE_STORE'] == 'true'


def test_names_that_mlflow_takes():
    assert trackers.for_mlflow({'val/ap/Würmer x-1.5:': 1, 'val/ap/a (b)': 2}) == {
        'val/ap/Würmer x-1.5:': 1,
        'val/ap/a _b_': 2,
    }


def test_what_a_tracker_raises_is_one_line_and_other_errors_stay():
    usage = type('UsageError', (Exception,), dict(__module__='wandb.errors'))
    line = '--log-to wandb: No API key; `wandb login`, or WANDB_MODE=offline'
    with pytest.raises(UserError, match=line), trackers.tracker_errors():
        raise usage('No API key.\nmore')
    with pytest.raises(ZeroDivisionError), trackers.tracker_errors():
        print(1 / 0)
    assert trackers.CURES.keys() == trackers.BACKENDS.keys()


@pytest.mark.parametrize('name', ['tensorboard', 'wandb', 'mlflow'])
def test_a_training_with_the_real_one(name, tmp_path, monkeypatch):
    """Where it is installed, which no extra of detplug asks for."""
    package = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator' if name == 'tensorboard' else name
    )
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    monkeypatch.setattr(MeanScore, 'compute_metrics', lambda self, results: {'score': 0.5, 'ap/RBC (a, b)': 0.25})
    write_images(tmp_path)
    monkeypatch.delenv('MLFLOW_TRACKING_URI', raising=False)
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    tracked = Config(dict(work_dir=str(tmp_path / 'work')))
    trackers.use_tracker(tracked, name)
    for resume in (False, True):
        steps = dict(train_cfg__max_iters=6 if resume else 4, train_cfg__val_interval=2, resume=resume)
        build(tmp_path, visualizer=tracked.visualizer.to_dict(), **steps).train()
    if name == 'tensorboard':
        events = package.EventAccumulator(f'{tmp_path}/work/vis_data')
        events.Reload()
        assert [event.step for event in events.Scalars('loss')] == [1, 2, 3, 4, 5, 6]
        return
    if name == 'wandb':
        assert len(list((tmp_path / 'work/vis_data/wandb').glob('offline-run-*/run-*.wandb'))) == 2
        return
    runs = package.tracking.MlflowClient(f'file://{tmp_path}/work/vis_data').search_runs(
        [package.get_experiment_by_name('Default').experiment_id]
    )
    found = sorted(x.step for run in runs for x in package.MlflowClient().get_metric_history(run.info.run_id, 'loss'))
    assert found == [1, 2, 3, 4, 5, 6]
    assert [run.data.metrics['val/ap/RBC _a_ b_'] for run in runs] == [0.25] * 2
    assert len(list((tmp_path / 'work').rglob('artifacts/*'))) == 2, 'the config of each'
