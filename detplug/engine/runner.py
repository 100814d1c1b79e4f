"""mmengine's Runner with safe, atomic, resumable checkpoints and a console for people."""

import copy
import logging
import sys
from pathlib import Path
from typing import Any

from mmdet.registry import RUNNERS
from mmengine.config import ConfigDict
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from detplug.engine import distributed
from detplug.engine.checkpointed_runner import CheckpointedRunner
from detplug.engine.device import AUTO, choose_device, use_device
from detplug.engine.memory import channels_last
from detplug.engine.quiet import KNOWN_LOG_LINES
from detplug.engine.seeded_dataset import init_worker

HOOKS_OF_RUNS = dict(
    runtime_info=dict(type='StepInfoHook'),
    timer=None,
    logger=None,
    checkpoint=dict(type='AtomicCheckpointHook'),
    history=dict(type='HistoryHook'),
    progress=dict(type='ProgressHook'),
    guard=dict(type='NonFiniteGuard'),
    anomalies=dict(type='AnomaliesHook'),
    equal_buffers=dict(type='EqualBuffersHook'),
    fit=dict(type='FitReportHook'),
    preview=dict(type='BatchPreviewHook'),
)
STOCK_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


@RUNNERS.register_module()
class DetplugRunner(CheckpointedRunner):
    """``runner_type = 'DetplugRunner'`` in a config; also under the stock tools of mmdet.

    Differences from mmengine's Runner: nothing in a checkpoint is executed; checkpoints are atomic and hold the random
    state of every process and the draw number; ``resume=True`` takes the newest checkpoint of the work folder that
    loads; testing weights that do not fit is an error; several processes work on CPUs; ``device`` of the config (auto,
    cpu, cuda, cuda:1, ...) is where it runs; only warnings reach the console.
    A default hook is changed or switched off (None) by its key in ``default_hooks``: those of mmengine and history,
    progress, guard, anomalies, equal_buffers, fit, preview.
    """

    # -- start ---------------------------------------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict) -> None:
        self._format_config(False)
        self.device = choose_device(self.cfg.get('device', AUTO))
        use_device(self.device)
        distributed.start_group(self._launcher, device=self.device)
        super().setup_env(env_cfg)
        while any(name.endswith(self._timestamp) for name in MMLogger._instance_dict):
            self._timestamp += '_'  # mmengine would give two runners of one second one log

    def dump_config(self) -> None:
        """mmengine's, into the work folder; a config that lies there already stays as its author wrote it."""
        written = Path(self.cfg.filename or '').resolve()
        folder = self._log_dir if written.parent == Path(self.work_dir).resolve() else self.work_dir
        self._format_config(True)
        self.cfg.dump(str(Path(folder) / (written.name if self.cfg.filename else f'{self.timestamp}.py')))
        self._format_config(False)

    def _format_config(self, formatted: bool) -> None:
        """yapf takes up to a second for a config's text; mmengine asks for it five times, every checkpoint once."""
        object.__setattr__(self.cfg, '_format_python_code', formatted)

    def build_logger(self, log_level: int | str = 'INFO', log_file: str | None = None, **kwargs: Any) -> MMLogger:
        """mmengine's logger: everything into the log file, warnings alone to the console (stderr)."""
        logger = super().build_logger(log_level, log_file, **kwargs)
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:
                handler.setStream(sys.stderr)
                handler.setLevel(max(handler.level, logging.WARNING))
                handler.setFormatter(logging.Formatter('%(levelname)s: %(message)s'))
                handler.addFilter(lambda record: not KNOWN_LOG_LINES.search(record.getMessage()))
        return logger

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        chosen = HOOKS_OF_RUNS | dict(hooks or {})
        super().register_default_hooks(
            {name: copy.deepcopy(hook) for name, hook in chosen.items() if hook is not None or name in STOCK_HOOKS}
        )

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """The model on the run's device; its memory format is chosen before DDP copies it for its buckets."""
        if is_model_wrapper(model):
            return super().wrap_model(model_wrapper_cfg, model)
        model = model.to(self.device)
        if self._train_loop is not None and (self.device.type == 'cpu' or self._reduced_precision):
            channels_last(model)
        if self.distributed and self.device.type == 'cpu' and model_wrapper_cfg is None:
            return distributed.wrap(model, find_unused_parameters=self.cfg.get('find_unused_parameters', False))
        return super().wrap_model(model_wrapper_cfg, model)

    @property
    def _reduced_precision(self) -> bool:
        """Whether training computes in 16 bits on a GPU, whose convolutions want channels innermost then."""
        kind = str((self.cfg.get('optim_wrapper') or {}).get('type'))
        return self.device.type == 'cuda' and 'Amp' in kind

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict, seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """mmengine's, with the run's seed for SeededDataset, whole batches for EvaluationSampler and quiet workers.

        For a GPU, workers' batches go into page-locked memory, unless ``pin_memory`` of the loader says otherwise.
        """
        if isinstance(dataloader, dict):
            dataloader = ConfigDict(copy.deepcopy(dataloader))
            for part, kind, values in (
                (dataloader.get('dataset'), 'SeededDataset', dict(seed=seed)),
                (dataloader.get('sampler'), 'EvaluationSampler', dict(chunk=dataloader.get('batch_size', 1))),
            ):
                if isinstance(part, dict) and str(part.get('type')).rpartition('.')[2] == kind:
                    part.update({name: value for name, value in values.items() if part.get(name) is None})
            if dataloader.get('num_workers', 0) == 0:  # torch refuses these two without workers
                dataloader.pop('prefetch_factor', None)
                dataloader['persistent_workers'] = False
            elif get_device() == 'cuda':  # others need not have page-locked memory
                dataloader.setdefault('pin_memory', True)
            dataloader.setdefault('worker_init_fn', dict(type=init_worker))
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def train(self) -> nn.Module:
        return self._run(super().train)

    def val(self) -> dict:
        return self._run(super().val)

    def test(self) -> dict:
        return self._run(super().test)

    def _run(self, function: Any) -> Any:
        """Hooks with an ``on_exit`` learn of the end however it comes."""
        try:
            return function()
        finally:
            self.call_hook('on_exit')
