"""``train CONFIG``: train a detector; writes checkpoints, metrics.json and report.html into the work folder."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import RUNNERS
    from mmengine.config import Config
    from mmengine.dist import get_world_size, is_main_process

    import detplug.register  # noqa: F401
    from detplug.cli.config import building, load_config
    from detplug.cli.detector import config_classes
    from detplug.cli.scaling import BARE, describe_batches, keep_epochs, scale_learning_rate, use_mixed_precision
    from detplug.cli.tiling import add_tile_options, tiling_of, use_tiles
    from detplug.data.dataset_config import innermost_datasets
    from detplug.engine.checkpoint_hook import BEST, LAST, numbered_checkpoints
    from detplug.engine.device import AUTO, HELP, choose_device
    from detplug.engine.distributed import start_group
    from detplug.engine.folder_lock import only_training
    from detplug.engine.history import FILE, read_validations
    from detplug.engine.memory import keep_freed_memory
    from detplug.errors import UserError
    from detplug.evaluation.table import metrics_table


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog='train', description=__doc__)
    parser.add_argument('config')
    parser.add_argument('--work-dir', help='folder for all that is written; default work_dirs/NAME-OF-CONFIG')
    parser.add_argument('--resume', action='store_true', help='continue from the newest checkpoint that loads')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--device', help=f'{HELP}; default: device of the config')
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm'), default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument(
        '--amp', nargs='?', const=BARE, metavar='DTYPE', help='mixed precision: bfloat16, float16, or bare: what suits'
    )
    parser.add_argument('--keep-epochs', action='store_true', help='of N processes: each does 1 / N of the steps')
    parser.add_argument('--auto-scale-lr', action='store_true', help='learning rate by the images of all processes')
    add_tile_options(parser)
    parser.add_argument('--smoke', action='store_true', help='2 iterations and 1 validation, to try a config')
    args = parser.parse_args(argv)
    if not 0 <= args.seed < 2**32:
        raise UserError(f'--seed {args.seed}: not a whole number from 0 to {2**32 - 1}')
    tiling = tiling_of(args)
    config = load_config(args.config, args.cfg_options)
    check_trainable(config)
    if tiling is not None:
        use_tiles(config, *tiling)
    config.work_dir = args.work_dir or str(Path('work_dirs') / Path(args.config).stem)
    config.device = args.device or config.get('device', AUTO)
    config.launcher, config.resume = args.launcher, args.resume
    config.randomness = dict(seed=args.seed)
    if args.amp is not None:
        use_mixed_precision(config, args.amp, choose_device(config.device).type)
    if args.auto_scale_lr:
        scale_learning_rate(config)
    if args.smoke:
        make_smoke(config)
    elif args.keep_epochs:
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
    with only_training(work_dir), building(config.filename, config):
        runner = RUNNERS.get(config.runner_type).from_cfg(config)
        if is_main_process():
            print(describe_batches(runner), flush=True)
        runner.train()
    if not is_main_process():
        return {}
    key = (config.default_hooks.get('checkpoint') or {}).get('metric') or 'map'
    metrics = best_metrics(work_dir, f'val/{key}') | {'minutes': (time.monotonic() - began) / 60}
    (work_dir / 'metrics.json').write_text(json.dumps(metrics, indent=2) + '\n')
    metrics_table(metrics, config_classes(config))
    for what, name in (('checkpoint', BEST), ('checkpoint', LAST), ('report    ', 'report.html')):
        if (work_dir / name).exists() and not (name == LAST and (work_dir / BEST).exists()):
            print(f'{what} {work_dir}/{name}')
    return metrics


def check_trainable(config: Config) -> None:
    """What training needs.

    Raises:
        UserError: a part is missing, which is then named.
    """
    for name in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if not config.get(name):
            raise UserError(f'{config.filename}: {name}: missing; a config without it cannot be trained')


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
