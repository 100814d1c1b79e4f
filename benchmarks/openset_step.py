"""What CCE and OODFC add to a semi-supervised training step, and its memory, at 480 px with 4 + 4 images.

After the burn-in each step of an oodfc_cce training is timed, then the same batch and weights in mode closed, so that a
machine whose speed drifts slows both alike; the ratio is of the medians. Fitting the OOD model, every 100 steps, is
added to each step in its share. Peak memory is of the whole process, with both models in it.

python benchmarks/openset_step.py      (about 7 minutes; needs the malaria data)
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch
from finetuning import convert_weights
from record import record

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import MODELS, RUNNERS
    from mmengine.hooks import Hook
    from mmengine.optim import build_optim_wrapper

    import detplug.register  # noqa: F401
    from detplug.cli.config import load_config
    from detplug.engine.memory import keep_freed_memory

CONFIG = 'configs/openset/yolov5n_malaria.py'
BURN_IN = 150  # steps


class TwoModes(Hook):
    """Seconds of the training step as it is and in mode closed, each step after the burn-in.

    Attributes:
        open_set, closed: seconds of each step.
        fits: seconds of the OOD model's fits.
    """

    priority = 'LOWEST'

    def __init__(self, other: torch.nn.Module, optimizer: dict):
        self.other, self.wrapper = other, build_optim_wrapper(other, optimizer)
        self.open_set, self.closed, self.fits = [], [], []

    def before_train(self, runner) -> None:
        step, hook = runner.model.train_step, next(hook for hook in runner.hooks if hasattr(hook, 'refit'))
        fit = hook._fit

        def timed_step(*args, **kwargs):
            began = time.perf_counter()
            losses = step(*args, **kwargs)
            self.last = time.perf_counter() - began
            return losses

        def timed_fit(*args):
            began = time.perf_counter()
            fit(*args)
            self.fits.append(time.perf_counter() - began)

        runner.model.train_step, hook._fit = timed_step, timed_fit

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter < BURN_IN:
            return
        tensors = runner.model.state_dict()
        self.other.load_state_dict({name: tensors[name] for name in self.other.state_dict()})
        self.other.step = runner.iter
        began = time.perf_counter()
        self.other.train_step(data_batch, self.wrapper)
        self.closed.append(time.perf_counter() - began)
        self.open_set.append(self.last)


def measure(rounds: int, work_dir: Path) -> None:
    """Train ``BURN_IN + rounds`` steps in ``work_dir`` and write the result."""
    options = [f'train_cfg.max_iters={BURN_IN + rounds}', 'train_cfg.val_interval=1000', f'model.burn_in={BURN_IN}']
    config = load_config(CONFIG, [*options, 'custom_hooks.0.refit=25'])
    config.update(work_dir=str(work_dir), launcher='none', resume=False, randomness=dict(seed=0))
    runner = RUNNERS.get(config.runner_type).from_cfg(config)
    other = MODELS.build(dict(config.model, mode='closed')).train()
    modes = TwoModes(other, config.optim_wrapper)
    runner.register_hook(modes)
    runner.train()
    open_set, closed = statistics.median(modes.open_set), statistics.median(modes.closed)
    fitting = statistics.median(modes.fits) / load_config(CONFIG, []).custom_hooks[0].refit
    record(
        'openset_step',
        {
            'ratio': (open_set + fitting) / closed,
            'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            'oodfc_cce_seconds': open_set,
            'closed_seconds': closed,
            'fitting_seconds_a_step': fitting,
            'rounds': rounds,
        },
        [0],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=80)
    parser.add_argument('--weights', default='../shared/weights/yolov5n.pt', help='official checkpoint')
    args = parser.parse_args()
    convert_weights(args.weights)
    with tempfile.TemporaryDirectory() as work_dir:
        measure(args.rounds, Path(work_dir))


if __name__ == '__main__':
    torch.set_num_threads(2)
    keep_freed_memory()
    main()
