"""The schedule of a recipe as text: warm-up, cosine, averaged weights; everything follows from ``max_iters``."""

from collections.abc import Mapping
from typing import Any

from detplug.recipe.python_text import Code, python_text

SCHEDULE = """{length}
warmup = max(min(max_iters // 10, 500), 1)  # steps
validations = {validations}
learning_rate = {rate}
average = max(min(max_iters // 4, 10000), 2)  # steps that the averaged weights remember

train_cfg = dict(type='ResumableIterLoop', max_iters=max_iters, val_interval=max(max_iters // validations, 1))
optim_wrapper = {wrapper}
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(
        type='CosineAnnealingLR',
        eta_min=learning_rate / 100,
        by_epoch=False,
        begin=warmup,
        end=max_iters,
        T_max=max_iters - warmup,
    ),
]
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=1 / average, gamma=average // 2, update_buffers=True),
    dict(type='ReportHook'),
]
"""


def schedule_text(
    length: str, validations: int, optimizer: Mapping[str, Any], clip: float | None, dtype: str | None
) -> str:
    """Training loop, optimizer, learning rate and hooks.

    Args:
        length: the statement that sets ``max_iters``.
        optimizer: with the learning rate of 8 images a step.
        clip: largest norm of the gradient, None for no limit.
        dtype: of mixed precision, None for none.
    """
    linear = optimizer['type'] == 'SGD'
    power, rule = ('', 'in proportion') if linear else (' ** 0.5', 'by the square root')
    rate = f'{optimizer["lr"]} * (batch_size / 8){power}  # {optimizer["lr"]} for 8 images, {rule}'
    wrapper = dict(type='OptimWrapper') if dtype is None else dict(type='DetplugAmpOptimWrapper', dtype=dtype)
    wrapper['optimizer'] = dict(optimizer, lr=Code('learning_rate'))
    # bypass_duplicate: heads that share layers between levels, as RTMDet's does
    wrapper['paramwise_cfg'] = dict(norm_decay_mult=0.0, bias_decay_mult=0.0, bypass_duplicate=True)
    if clip is not None:
        wrapper['clip_grad'] = dict(max_norm=clip)
    return SCHEDULE.format(length=length, validations=validations, rate=rate, wrapper=python_text(wrapper))


def of_length(steps: int, config: Mapping[str, Any]) -> list[str]:
    """``--cfg-options`` that train a copy of the schedule, in which every number stands by itself, for ``steps``.

    Such copies are the configs that ``compress`` writes.
    """
    warmup, average = max(min(steps // 10, 500), 1), max(steps // 4, 2)
    options = [
        f'train_cfg.max_iters={steps}',
        f'train_cfg.val_interval={max(steps // 2, 1)}',
        f'param_scheduler.0.end={warmup}',
        f'param_scheduler.1.begin={warmup}',
        f'param_scheduler.1.end={steps}',
        f'param_scheduler.1.T_max={steps - warmup}',
    ]
    for number, hook in enumerate(config.get('custom_hooks') or ()):
        if hook['type'] == 'EMAHook':
            options += [f'custom_hooks.{number}.momentum={1 / average}', f'custom_hooks.{number}.gamma={average // 2}']
    return options
