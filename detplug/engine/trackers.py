"""Experiment trackers: the rows of history.jsonl go to TensorBoard, Weights & Biases or MLflow too.

Tried for real on Python 3.11: tensorboard 2.21.0, wandb 0.31.0 offline, and mlflow-skinny 3.17.2 with its file store;
see docs/train.md.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mmengine.config import Config
from mmengine.visualization import LocalVisBackend, MLflowVisBackend

from detplug.errors import UserError

BACKENDS = {  # name -> (back end of mmengine, package)
    'tensorboard': ('TensorboardVisBackend', 'tensorboard'),
    'wandb': ('WandbVisBackend', 'wandb'),
    'mlflow': ('MLflowVisBackend', 'mlflow'),
}
CURES = {
    'tensorboard': 'leave it out',
    'wandb': '`wandb login`, or WANDB_MODE=offline in the environment, which keeps the run in WORK-DIR/vis_data/wandb',
    'mlflow': 'set MLFLOW_TRACKING_URI to a server, or unset it: the run is then kept in WORK-DIR/vis_data',
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
    options = mlflow_options() if name == 'mlflow' else {}
    visualizer = dict(config.get('visualizer') or dict(type='mmengine.Visualizer'), save_dir=config.work_dir)
    there = [x for x in visualizer.get('vis_backends') or () if x['type'] != kind]
    config.visualizer = dict(visualizer, vis_backends=[*there, dict(type=kind, **options)])


def mlflow_options() -> dict[str, Any]:
    """Arguments of mmengine's back end: the server of MLFLOW_TRACKING_URI, or else files in the work folder.

    The back end of mmengine does not look at the variable, and at its end copies the work folder, its own files
    included, into its own files. MLflow 3.17 refuses to keep files where it is not told to.
    """
    server = os.environ.get('MLFLOW_TRACKING_URI')
    if not server:
        os.environ.setdefault('MLFLOW_ALLOW_FILE_STORE', 'true')
    return dict(artifact_suffix=(), **({'tracking_uri': server} if server else {}))


@contextmanager
def tracker_errors() -> Iterator[None]:
    """What a tracker raises, such as that nobody is logged in, in one line.

    Raises:
        UserError: an exception of the package of a tracker.
    """
    try:
        yield
    except Exception as error:
        package = type(error).__module__.partition('.')[0]
        for name, (_, theirs) in BACKENDS.items():
            if package == theirs:
                line = (str(error).splitlines() or [type(error).__name__])[0]
                raise UserError(f'--log-to {name}: {line.rstrip(".")}; {CURES[name]}') from error
        raise


def for_mlflow(values: Mapping[str, float]) -> dict[str, float]:
    """The figures by names that MLflow takes, ``val/ap/RBC _infected_``: it refuses a row for one other character."""
    return {re.sub(r'[^\w./: -]', '_', name): value for name, value in values.items()}


class Trackers:
    """The back ends of a runner's visualizer, without mmengine's file of scalars: history.jsonl holds them."""

    def __init__(self, runner: Any):
        backends = runner.visualizer._vis_backends.values()
        self.backends = [x for x in backends if type(x) is not LocalVisBackend]

    def add(self, row: Mapping[str, Any]) -> None:
        """A row of history.jsonl: numbers by name, and ``step``; what is no number is left out."""
        values = {name: value for name, value in row.items() if name != 'step' and isinstance(value, int | float)}
        for backend in self.backends:
            allowed = for_mlflow(values) if isinstance(backend, MLflowVisBackend) else values
            backend.add_scalars(allowed, step=row['step'])

    def close(self) -> None:
        """Write what back ends have not written yet."""
        for backend in self.backends:
            backend.close()
