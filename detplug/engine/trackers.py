"""Experiment trackers: the rows of history.jsonl go to TensorBoard, Weights & Biases or MLflow too."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config
from mmengine.visualization import LocalVisBackend

from detplug.errors import UserError

BACKENDS = {  # name -> (back end of mmengine, package)
    'tensorboard': ('TensorboardVisBackend', 'tensorboard'),
    'wandb': ('WandbVisBackend', 'wandb'),
    'mlflow': ('MLflowVisBackend', 'mlflow'),
}


def use_tracker(config: Config, name: str) -> None:
    """Give ``config`` the visualizer whose back end is ``name``; back ends that it has stay.

    Files of a back end lie in WORK-DIR/vis_data, that of a resumed training too.

    Raises:
        UserError: the package of the tracker is not installed.
    """
    kind, package = BACKENDS[name]
    if find_spec(package) is None:
        raise UserError(f'--log-to {name}: {package} is not installed; pip install {package}')
    visualizer = dict(config.get('visualizer') or dict(type='mmengine.Visualizer'), save_dir=config.work_dir)
    there = [x for x in visualizer.get('vis_backends') or () if x['type'] != kind]
    config.visualizer = dict(visualizer, vis_backends=[*there, dict(type=kind)])


class Trackers:
    """The back ends of a runner's visualizer, without mmengine's file of scalars: history.jsonl holds them."""

    def __init__(self, runner: Any):
        backends = runner.visualizer._vis_backends.values()
        self.backends = [x for x in backends if type(x) is not LocalVisBackend]

    def add(self, row: Mapping[str, Any]) -> None:
        """A row of history.jsonl: numbers by name, and ``step``; what is no number is left out."""
        values = {name: value for name, value in row.items() if name != 'step' and isinstance(value, int | float)}
        for backend in self.backends:
            backend.add_scalars(values, step=row['step'])

    def close(self) -> None:
        """Write what back ends have not written yet."""
        for backend in self.backends:
            backend.close()
