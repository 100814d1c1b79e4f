"""Options of ``train`` that change how a config computes: mixed precision, and what several processes mean.

The rule for W processes: a config keeps its meaning in each of them. ``batch_size`` is of one process, so that a step
sees W times the images; steps stay steps, so that training by steps sees W times the images in all. Training by epochs
sees the same number of images, in 1 / W of the steps. ``--keep-epochs`` divides steps by W; ``--auto-scale-lr``
multiplies the learning rate by the batch of all processes over that of the config's file.
"""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.runner import Runner

from detplug.engine.mixed_precision import DTYPES, check_float16, default_dtype
from detplug.errors import UserError

PLAIN_WRAPPERS = ('OptimWrapper', 'AmpOptimWrapper', 'DetplugAmpOptimWrapper')
STEPS = ('begin', 'end', 'T_max', 'total_iters', 'step_size', 'milestones')  # of mmengine's schedulers
BARE = 'auto'


def use_mixed_precision(config: Config, dtype: str, device: str) -> None:
    """Train ``config`` in ``dtype``: bfloat16, float16, or auto for the one that suits ``device`` (cpu, cuda, ...).

    Raises:
        UserError: float16 on a CPU, several optimizers, or an optimizer wrapper of another kind.
    """
    chosen = default_dtype(device) if dtype == BARE else dtype
    if chosen not in DTYPES:
        raise UserError(f'--amp {dtype}: not known; one of {", ".join(DTYPES)}')
    if chosen == 'float16':
        check_float16(device)
    wrapper = config.get('optim_wrapper') or {}
    if 'optimizer' not in wrapper:
        raise UserError(f'--amp: {config.filename}: optim_wrapper has several optimizers or none; leave --amp out')
    kind = str(wrapper.get('type', PLAIN_WRAPPERS[0])).rpartition('.')[2]
    if kind not in PLAIN_WRAPPERS:
        raise UserError(f'--amp: {config.filename}: optim_wrapper.type: {kind} has its own precision; leave --amp out')
    for key in ('loss_scale', 'use_fsdp'):
        wrapper.pop(key, None)
    wrapper.update(type='DetplugAmpOptimWrapper', dtype=chosen)
    scaler = 'with a loss scaler' if chosen == 'float16' else 'without a loss scaler'
    print(f'mixed precision: {chosen} on {device}, {scaler}', flush=True)


def keep_epochs(config: Config, processes: int) -> None:
    """Divide the steps of the training loop and its schedulers by the number of processes, rounded up.

    Steps in hooks and in the model (burn-in, averages) stay as the config says. Training by epochs needs nothing.
    """
    if processes == 1 or 'max_iters' not in config.train_cfg:
        return
    old = config.train_cfg.max_iters
    for key in ('max_iters', 'val_interval', 'val_begin'):
        if key in config.train_cfg:
            config.train_cfg[key] = _divided(config.train_cfg[key], processes)
    schedulers = config.get('param_scheduler') or []
    for scheduler in [schedulers] if isinstance(schedulers, dict) else schedulers:
        if not scheduler.get('by_epoch', True):
            scheduler.update({key: _divided(scheduler[key], processes) for key in STEPS if key in scheduler})
    for part in _with_key(config.train_dataloader, 'final_from'):
        part['final_from'] = _divided(part['final_from'], processes)
    print(f'--keep-epochs: {old} steps / {processes} processes = {config.train_cfg.max_iters}; hooks keep their steps')


def _divided(steps: Any, by: int) -> Any:
    if isinstance(steps, list | tuple):
        return [_divided(x, by) for x in steps]
    return -(-steps // by) if isinstance(steps, int) else steps


def _with_key(node: Any, key: str) -> list[dict]:
    if isinstance(node, list | tuple):
        return [part for item in node for part in _with_key(item, key)]
    if not isinstance(node, dict):
        return []
    return ([node] if node.get(key) is not None else []) + _with_key(list(node.values()), key)


def scale_learning_rate(config: Config) -> None:
    """Let mmengine multiply the learning rate by the images of a step over those that the config was made for.

    ``auto_scale_lr.base_batch_size`` of the config says for how many; by default the batch of its file, of one process.
    """
    base = (config.get('auto_scale_lr') or {}).get('base_batch_size')
    if base is None:
        base = Config.fromfile(config.filename, import_custom_modules=False).train_dataloader.batch_size
    config.auto_scale_lr = dict(enable=True, base_batch_size=base)


def describe_batches(runner: Runner) -> str:
    """Processes, threads, images of a step, steps, epochs and learning rate of a training that is about to start.

    Sums over another number of threads are rounded otherwise, which moves the figures of a short training.
    """
    loop, processes = runner.train_loop, get_world_size()
    each = getattr(getattr(loop, '_draw_source', loop.dataloader), 'batch_size', None) or 1
    batch, size = each * processes, len(loop.dataloader.dataset)
    who = f'{processes} processes x {each} images' if processes > 1 else '1 process'
    threads = torch.get_num_threads()
    who += f', {threads} thread{"s" if threads > 1 else ""}{" each" if processes > 1 else ""}'
    epochs = loop.max_iters * batch / max(size, 1)
    line = f'{who}: {batch} images a step; {loop.max_iters} steps = {epochs:.3g} epochs of {size} images'
    scale = runner.cfg.get('auto_scale_lr') or {}
    if scale.get('enable'):
        base = scale['base_batch_size']
        line += f'; learning rate x {batch / base:.3g} ({batch} images / {base})'
    return line
