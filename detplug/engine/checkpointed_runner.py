"""The part of the runner that writes, loads and resumes checkpoints: atomic, with the random state, never executed."""

import time
from pathlib import Path
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.checkpoint import weights_to_cpu

from detplug.engine import distributed
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.engine.plain_data import pack_message_hub, rng_state, set_rng_state, unpack_message_hub
from detplug.engine.resume import check_resumable, newest_checkpoint
from detplug.engine.weights import classes_of, fit_weights
from detplug.errors import UserError


class CheckpointedRunner(Runner):
    """mmengine's Runner, whose training resumes as if it had never been interrupted."""

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
    ) -> None:
        """Write the whole state of training, atomically; every process must call it, the first one writes.

        ``meta['iter']`` is the number of steps done, ``meta['draw']`` the images that each process has drawn.
        """
        states = distributed.gather_objects(rng_state())
        if self.rank != 0:
            return
        meta = dict(epoch=self.epoch + by_epoch, iter=self.iter + (not by_epoch)) | (meta or {})
        meta.update(
            draw=self._draw_at(meta['iter']),
            seed=self.seed,
            world_size=self.world_size,
            time=time.strftime('%Y%m%d_%H%M%S'),
            config_text=self.cfg.pretty_text,
            dataset_meta=getattr(self.train_dataloader.dataset, 'metainfo', {}),
        )
        model = self.model.module if is_model_wrapper(self.model) else self.model
        checkpoint = dict(
            meta=meta,
            state_dict=weights_to_cpu(model.state_dict()),
            rng=states,
            message_hub=pack_message_hub(self.message_hub),
        )
        if save_optimizer and isinstance(self.optim_wrapper, OptimWrapper):
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = _states(self.param_schedulers)
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        save_atomic(checkpoint, Path(out_dir) / filename)

    def load_or_resume(self) -> None:
        """Resume the newest checkpoint of the work folder that loads; without one start from ``load_from``.

        A ``load_from`` inside the work folder is the checkpoint to resume; any other one holds the weights that a
        fine-tuning starts from, and does not keep it from being resumed.
        """
        if self._has_loaded:
            return
        path = None
        own = self._load_from is not None and Path(self.work_dir) in Path(self._load_from).absolute().parents
        if self._resume and own:
            path = self._load_from
        elif self._resume:
            path = distributed.from_first(newest_checkpoint(self.work_dir) if self.rank == 0 else None)
        if path is not None:
            self.resume(path)
            return
        if self._resume:
            self._resume = False
            start = 'the beginning' if self._load_from is None else self._load_from
            self._say(f'{self.work_dir}: nothing to resume; training starts from {start}')
        if self._load_from is not None:
            self.load_checkpoint(self._load_from)

    def load_checkpoint(
        self, filename: str, map_location: Any = 'cpu', strict: bool | None = None, revise_keys: Any = None
    ) -> dict:
        """Load weights; to be tested or resumed they must fit, to be fine-tuned what fits is taken and the rest named.

        Raises:
            UserError: unreadable, or (``strict``; by default whenever not fine-tuning) made by another config.
        """
        checkpoint = load_file(filename, map_location)
        fine_tuning = isinstance(self._train_loop, BaseLoop) and not self._resume
        strict = not fine_tuning if strict is None else strict
        model = self.model.module if is_model_wrapper(self.model) else self.model
        skipped = fit_weights(model, checkpoint, filename, strict)
        if strict:
            self._check_classes(checkpoint, filename)
        if skipped:
            self._say(f'{filename}: {skipped}')
        checkpoint.setdefault('meta', {})
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model.load_state_dict(checkpoint['state_dict'])
        self._has_loaded = True
        self.logger.info(f'weights from {filename}')
        return checkpoint

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: Any = 'cpu',
    ) -> None:
        """Continue the training that wrote ``filename``; nothing in it is executed.

        Raises:
            UserError: not a checkpoint of a training of this config.
        """
        self._resume = True
        checkpoint = self.load_checkpoint(filename, 'cpu' if map_location == 'default' else map_location)
        check_resumable(checkpoint, filename)
        self.train_loop._epoch, self.train_loop._iter = checkpoint['meta']['epoch'], checkpoint['meta']['iter']
        seed = checkpoint['meta'].get('seed')
        if isinstance(seed, int) and seed != self.seed:
            if self._randomness_cfg.get('seed') is not None:
                self.logger.warning(f'{filename}: seed {seed} of this training is kept; {self.seed} is not used')
            self._randomness_cfg.update(seed=seed)
            self.set_randomness(**self._randomness_cfg)
        unpack_message_hub(checkpoint.get('message_hub'), self.message_hub)
        try:
            if resume_optimizer:
                self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
                self.optim_wrapper.load_state_dict(checkpoint['optimizer'])
            if resume_param_scheduler and self.param_schedulers is not None:
                self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
                _load_states(self.param_schedulers, checkpoint.get('param_schedulers', []))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f'{filename}: state of the optimizer or schedulers does not fit this config ({error}); '
                'resume with the config of that training, or start from its weights with load_from'
            ) from error
        if len(checkpoint['rng']) == self.world_size:
            set_rng_state(checkpoint['rng'][self.rank])
        else:
            self.logger.warning(
                f'{filename}: was written by {len(checkpoint["rng"])} processes, this are '
                f'{self.world_size}: training goes on, but not with the same images'
            )
        self._say(f'resumed from {filename} (step {self.iter} of {self.max_iters})')

    def _draw_at(self, step: int) -> int:
        return step * (getattr(self.train_dataloader, 'batch_size', None) or 1)

    def _check_classes(self, checkpoint: dict, filename: str) -> None:
        loop = (
            self._train_loop
            if isinstance(self._train_loop, BaseLoop)
            else next((x for x in (self._test_loop, self._val_loop) if isinstance(x, BaseLoop)), None)
        )
        names, wanted = classes_of(checkpoint), getattr(getattr(loop, 'dataloader', None), 'dataset', None)
        wanted = getattr(wanted, 'metainfo', {}).get('classes')
        if names and wanted and names != tuple(wanted):
            raise UserError(
                f'{filename}: checkpoint of another config: classes: {", ".join(names[:8])} in the '
                f'checkpoint, {", ".join(list(wanted)[:8])} in the config; give the config that it was '
                'trained with'
            )

    def _say(self, text: str) -> None:
        self.logger.info(text)
        if self.rank == 0:
            print(text, flush=True)


def _states(schedulers: Any) -> Any:
    if isinstance(schedulers, dict):
        return {name: _states(items) for name, items in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers]


def _load_states(schedulers: Any, states: Any) -> None:
    if isinstance(schedulers, dict):
        for name, items in schedulers.items():
            _load_states(items, states[name])
        return
    for scheduler, state in zip(schedulers, states, strict=True):
        scheduler.load_state_dict(state)
