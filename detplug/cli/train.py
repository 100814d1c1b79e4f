"""``train CONFIG``: train a detector; writes checkpoints, metrics.json and report.html into the work folder.

``train --data DATA --model NAME`` computes the config of your own data: ``train --data DATA --help``.
"""

import argparse
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from detplug.cli.command_parser import CommandParser
from detplug.data.formats.formats import FORMATS
from detplug.engine.quiet import quiet_imports

with quiet_imports():
    import torch
    from mmdet.registry import RUNNERS
    from mmengine.config import Config
    from mmengine.dist import get_world_size, is_main_process

    import detplug.register  # noqa: F401
    from detplug.cli import accept_anomalies
    from detplug.cli.config import building, default_work_dir, load_config
    from detplug.cli.detector import config_classes
    from detplug.cli.scaling import BARE, describe_batches, keep_epochs, scale_learning_rate, use_mixed_precision
    from detplug.cli.schedule_end import describe_end
    from detplug.cli.tiling import add_tile_options, tiling_of, use_tiles
    from detplug.data.dataset_config import innermost_datasets
    from detplug.engine.checkpoint_hook import BEST, LAST, numbered_checkpoints
    from detplug.engine.device import AUTO, HELP, choose_device
    from detplug.engine.distributed import start_group
    from detplug.engine.folder_lock import only_training
    from detplug.engine.history import FILE, read_validations
    from detplug.engine.memory import keep_freed_memory
    from detplug.engine.trackers import tracker_errors, use_tracker
    from detplug.errors import UserError
    from detplug.evaluation.table import metrics_table
    from detplug.outcome import note_outcome
    from detplug.recipe.train_options import arguments, flag


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if any(word.partition('=')[0] == '--data' for word in words):
        from detplug.cli import train_data  # it trains what it writes by this function

        return train_data.main(words)
    own = 'Without a config: train --data DATA --model NAME; its options: train --data DATA --help'
    parser = CommandParser(prog='train', description=__doc__, epilog=own)
    parser.add_argument('config')
    parser.add_argument(
        '--work-dir', help='folder for all that is written; default work_dirs/FOLDER/NAME of the config'
    )
    parser.add_argument('--resume', action='store_true', help='continue from the newest checkpoint that loads')
    parser.add_argument('--seed', type=int, help='default: randomness.seed of the config, or 0')
    parser.add_argument('--device', help=f'{HELP}; default: device of the config')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm'), default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument(
        '--amp', nargs='?', const=BARE, metavar='DTYPE', help='mixed precision: bfloat16, float16, or bare: what suits'
    )
    parser.add_argument('--keep-epochs', action='store_true', help='of N processes: each does 1 / N of the steps')
    parser.add_argument('--auto-scale-lr', action='store_true', help='learning rate by the images of all processes')
    for name in BY_HISTORY:
        arguments()[name].add_to(parser, name)
    parser.add_argument(
        '--smoke',
        action='store_true',
        help='2 iterations and 1 validation, to try a config; into WORK-DIR/smoke',
    )
    add_tile_options(parser)
    accept_anomalies.add_option(parser)
    args = parser.parse_args(words)
    tiling = tiling_of(args)
    check_no_data_set(args.config)
    config = load_config(args.config, args.cfg_options, replaced=dict(launcher='--launcher'))
    accept_anomalies.apply_option(config, args.accept_anomalies)
    check_trainable(config)
    if tiling is not None:
        use_tiles(config, *tiling)
    config.work_dir = args.work_dir or default_work_dir(config)
    config.device = args.device or config.get('device', AUTO)
    config.launcher, config.resume = args.launcher, args.resume or bool(config.get('resume'))
    config.randomness = dict(config.get('randomness') or {}, seed=seed_of(config, args.seed))
    if args.amp is not None:
        use_mixed_precision(config, args.amp, choose_device(config.device).type)
    for name, use in BY_HISTORY.items():
        if name not in args:
            continue
        if (config.get('default_hooks') or {}).get('history', {}) is None:
            raise UserError(
                f'{flag(name)}: reads what default_hooks.history writes, which {config.filename} switches off'
            )
        use(config, arguments()[name].read(flag(name), getattr(args, name)))
    if args.auto_scale_lr:
        scale_learning_rate(config)
    if args.smoke:
        make_smoke(config)
        clear_smoke(config)
    else:
        say_end(config)
        if args.keep_epochs:
            start_group(config.launcher, device=choose_device(config.device))
            keep_epochs(config, get_world_size())
    train(config)
    return 0


def train(config: Config) -> dict[str, float]:
    """Run the training of ``config`` and return the metrics of its best checkpoint, also in metrics.json."""
    work_dir = Path(config.work_dir)
    if not config.resume and numbered_checkpoints(work_dir):
        raise UserError(f'{work_dir}: holds an earlier training; give --resume to continue it or another --work-dir')
    keep_freed_memory()
    began = time.monotonic()
    start_group(config.launcher, device=choose_device(config.get('device', AUTO)))
    with only_training(work_dir), tracker_errors(), building(config.filename, config):
        runner = RUNNERS.get(config.runner_type).from_cfg(config)
        if is_main_process():
            print(describe_batches(runner), flush=True)
        try:
            runner.train()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(stopped(config)) from None
    if not is_main_process():
        return {}
    metrics = best_metrics(work_dir, f'val/{best_metric(config)}')
    metrics |= {'minutes': (time.monotonic() - began) / 60, 'threads': torch.get_num_threads()}
    (work_dir / 'metrics.json').write_text(json.dumps(metrics, indent=2) + '\n')
    metrics_table(metrics, config_classes(config))
    note_outcome(
        work_dir=work_dir, metrics=metrics, checkpoint=work_dir / (BEST if (work_dir / BEST).exists() else LAST)
    )
    for what, name in (('checkpoint', BEST), ('checkpoint', LAST), ('report    ', 'report.html')):
        if (work_dir / name).exists() and not (name == LAST and (work_dir / BEST).exists()):
            print(f'{what} {work_dir}/{name}')
    return metrics


def stopped(config: Config) -> str:
    """How a training that was stopped goes on."""
    words = f'detplug train {shlex.quote(str(config.filename))} --work-dir {shlex.quote(str(config.work_dir))}'
    if numbered_checkpoints(Path(config.work_dir)):
        return f'stopped; it goes on from its newest checkpoint with {words} --resume'
    return f'stopped before the first checkpoint; begin again with {words}'


def check_no_data_set(text: str) -> None:
    """Refuse a data set where a config is expected.

    Raises:
        UserError: it names the options that train on the data set.
    """
    path = Path(text)
    if path.suffix == '.py' or not path.exists() or not any(form.find(path) for form in FORMATS.values()):
        return
    if path.is_dir() or not re.search(r'^\s*"?model"?\s*:', path.read_text(encoding='utf-8', errors='replace'), re.M):
        raise UserError(f'{path}: a data set, not a config; train on it with --data {path} --model NAME')


def check_trainable(config: Config) -> None:
    """What training needs.

    Raises:
        UserError: a part is missing, which is then named.
    """
    for name in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if not config.get(name):
            raise UserError(f'{config.filename}: {name}: missing; a config without it cannot be trained')
    for split in ('val', 'test'):  # mmengine wants all three or none
        parts = [f'{split}_{part}' for part in ('dataloader', 'evaluator', 'cfg')]
        missing = [name for name in parts if not config.get(name)]
        if missing == parts[1:2]:
            raise UserError(f'{config.filename}: {parts[1]}: missing; add it, or take {parts[0]} out')
        if parts[0] in missing:
            config.update(dict.fromkeys(parts))
            if split == 'val' and is_main_process():
                print(f'{config.filename}: val_dataloader: missing; training without validation, so without best.pth')
        elif missing:
            config[parts[2]] = dict(type='ValLoop' if split == 'val' else 'TestLoop')


def seed_of(config: Config, given: int | None) -> int:
    """The seed of the command line, or else of the config; 0 by default.

    Raises:
        UserError: no whole number from 0 to 2**32 - 1.
    """
    own = (config.get('randomness') or {}).get('seed')
    name, seed = ('--seed', given) if given is not None else ('randomness.seed', 0 if own is None else own)
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise UserError(f'{name} {seed}: not a whole number from 0 to {2**32 - 1}')
    return seed


def best_metric(config: Config) -> str:
    """Name of the figure that chooses best.pth."""
    hook = (config.get('default_hooks') or {}).get('checkpoint') or {}
    return hook.get('metric') or 'map'


def stop_early(config: Config, patience: int) -> None:
    """End the training after ``patience`` validations without a better one.

    Raises:
        UserError: nothing is validated.
    """
    if not config.get('val_dataloader'):
        raise UserError(f'--patience: {config.filename} has no val_dataloader to see an end by; leave it out')
    hook = dict(type='EarlyStopHook', patience=patience, metric=best_metric(config))
    config.custom_hooks = [*(config.get('custom_hooks') or ()), hook]


def say_end(config: Config) -> None:
    """Print where the learning rate ends elsewhere than the training."""
    line = describe_end(config)
    if line and os.environ.get('RANK', '0') == '0':
        print(line, flush=True)


def clear_smoke(config: Config) -> None:
    """Let a smoke run write into a folder of its own, without the checkpoints of the last one unless it is resumed."""
    folder = Path(config.work_dir) / 'smoke'
    config.work_dir = str(folder)
    if is_main_process() and not config.resume:
        for path in [path for _, path in numbered_checkpoints(folder)] + [folder / LAST, folder / BEST]:
            path.unlink(missing_ok=True)


def best_metrics(work_dir: Path, key: str = 'val/map') -> dict[str, float]:
    """The validation with the highest ``key`` in history.jsonl, without the ``val/`` of its names, and its step."""
    rows = [row for row in read_validations(work_dir / FILE) if key in row]
    if not rows:
        return {}
    best = max(rows, key=lambda row: row[key])
    return {'step': best['step']} | {name[4:]: value for name, value in best.items() if name.startswith('val/')}


def make_smoke(config: Config, images: int = 8) -> None:
    """Shorten ``config`` in place to 2 iterations of 2 images and 1 validation on the first ``images`` images."""
    if 'max_epochs' in config.train_cfg:
        config.train_cfg = dict(type='ResumableEpochLoop', max_epochs=1, steps_per_epoch=2)
    else:
        config.train_cfg.update(max_iters=2, val_interval=2)
    for name in ('train_dataloader', 'val_dataloader'):
        if config.get(name):
            config[name].update(batch_size=2, num_workers=0, persistent_workers=False)
            for dataset in innermost_datasets(config[name].dataset):
                dataset['indices'] = images


BY_HISTORY = {'patience': stop_early, 'log_to': use_tracker}  # options that need what default_hooks.history writes
