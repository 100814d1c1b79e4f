"""A learning rate that falls to its end before, or after, the training ends."""

from collections.abc import Iterator

from mmengine.config import Config

FALLING = ('Cosine', 'Poly', 'Linear', 'Exponential', 'OneCycle', 'MultiStep', 'Step')
ENDS = ('end', 'total_steps')  # of mmengine's schedulers; T_max and total_iters count from begin


def describe_end(config: Config) -> str:
    """One line where the schedule of the learning rate has another length than the training; empty where it fits.

    A warm-up alone has no length of its own; a scheduler without an end lasts as long as the training.
    """
    unit, total = ('epochs', 'max_epochs') if 'max_epochs' in config.train_cfg else ('steps', 'max_iters')
    length = config.train_cfg.get(total)
    ends = list(_ends(config, unit == 'epochs'))
    if not isinstance(length, int) or not ends:
        return ''
    end, path, falls = max(ends)
    if end == length or not any(falls for *_, falls in ends):
        return ''
    what = f'the last {length - end} run at its end' if end < length else 'before its end'
    cure = _cure(config, end, length)
    return f'{path}: the learning rate falls for {end} {unit}, the training ends at {length}, {what}; {cure}'


def _ends(config: Config, epochs: bool) -> Iterator[tuple[int, str, bool]]:
    """(end, path, whether the rate falls) of each scheduler of the learning rate that counts in the training's unit."""
    schedulers = config.get('param_scheduler') or []
    for number, scheduler in enumerate([schedulers] if isinstance(schedulers, dict) else schedulers):
        kind = str(scheduler.get('type')).rpartition('.')[2]
        if kind.endswith('Momentum') or scheduler.get('by_epoch', True) != epochs:
            continue
        end = next((scheduler[key] for key in ENDS if isinstance(scheduler.get(key), int)), None)
        if end is None and isinstance(scheduler.get('T_max'), int):
            end = scheduler.get('begin', 0) + scheduler.T_max
        if end is not None:
            warm_up = kind.startswith(('Linear', 'Constant')) and scheduler.get('end_factor', 1.0) >= 1.0
            yield end, f'param_scheduler.{number}', kind.startswith(FALLING) and not warm_up


def _cure(config: Config, end: int, length: int) -> str:
    """The variable of the config that both follow, or what else to change."""
    names = [name for name, value in config.items() if type(value) is int and value == end]
    if names:
        return f'give {names[0]}={length}, which both follow'
    return 'change both'
