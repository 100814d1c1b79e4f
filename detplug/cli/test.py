"""``test CONFIG CHECKPOINT``: evaluate on the val or test split; metrics json and a table on the screen."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from detplug.cli.command_parser import CommandParser
from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import RUNNERS
    from mmengine.config import Config
    from mmengine.dist import is_main_process
    from mmengine.runner import Runner

    import detplug.register  # noqa: F401
    from detplug.cli import accept_anomalies
    from detplug.cli.config import building, default_work_dir, load_config
    from detplug.cli.detector import config_classes
    from detplug.cli.tiling import add_tile_options, tiling_of, use_tiles
    from detplug.engine import published_weights
    from detplug.engine.device import AUTO, HELP
    from detplug.errors import UserError
    from detplug.evaluation.image_result import ImageResult
    from detplug.evaluation.results_file import save_results
    from detplug.evaluation.table import metrics_table
    from detplug.outcome import note_outcome
    from detplug.report.hook import find_box_ap


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate as the command line says; returns the exit status."""
    parser = CommandParser(prog='test', description=__doc__)
    parser.add_argument('config')
    parser.add_argument('checkpoint', help=published_weights.HELP)
    parser.add_argument('--split', choices=('val', 'test'), default='test')
    parser.add_argument('--out', help='metrics file; default metrics_SPLIT.json in the work folder')
    parser.add_argument('--results', help='npz file of every image, for python -m detplug.evaluation.compare')
    parser.add_argument('--work-dir', help='folder of report.html; default work_dirs/FOLDER/NAME/SPLIT')
    parser.add_argument('--device', help=f'{HELP}; default: device of the config')
    add_tile_options(parser)
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    parser.add_argument('--launcher', choices=('none', 'pytorch', 'slurm'), default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    accept_anomalies.add_option(parser)
    args = parser.parse_args(argv)
    tiling = tiling_of(args)
    replaced = dict(launcher='--launcher', load_from='the checkpoint', resume='the checkpoint')
    config = load_config(args.config, args.cfg_options, replaced)
    accept_anomalies.apply_option(config, args.accept_anomalies)
    config.work_dir = args.work_dir or str(Path(default_work_dir(config)) / args.split)
    config.device = args.device or config.get('device', AUTO)
    config.launcher = args.launcher
    check_split(config, args.split)
    if args.split == 'val':
        config.test_dataloader, config.test_evaluator = config.val_dataloader, config.val_evaluator
    if tiling is not None:
        use_tiles(config, *tiling)
    out = args.out or Path(config.work_dir) / f'metrics_{args.split}.json'
    evaluate(config, args.checkpoint, args.split, out, args.results)
    return 0


def check_split(config: Config, split: str) -> None:
    """A config may have only one of the two.

    Raises:
        UserError: it has no loader or no evaluator for ``split``.
    """
    other = 'val' if split == 'test' else 'test'
    for name in ('dataloader', 'evaluator'):
        if not config.get(f'{split}_{name}'):
            cure = f'give --split {other}' if config.get(f'{other}_{name}') else 'add it'
            raise UserError(f'{config.filename}: {split}_{name}: missing; {cure}')


def evaluate(
    config: Config, checkpoint: str | Path, split: str, out: str | Path, results: str | Path | None = None
) -> dict[str, float]:
    """Evaluate ``checkpoint`` on the config's test data set, write the flat metrics to ``out`` and return them.

    Args:
        split: what the report calls the test data set.
        results: npz file for the images, see results_file.py.
    """
    config.load_from, config.resume = str(checkpoint), False
    for key in (
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'val_dataloader',
        'val_cfg',
        'val_evaluator',
    ):
        config[key] = None
    config.custom_hooks = [
        dict(hook, test_split=split, facts=dict(checkpoint=str(checkpoint)))
        for hook in config.get('custom_hooks', [])
        if hook.get('type') == 'ReportHook'
    ]
    with building(config.filename):
        runner = RUNNERS.get(config.runner_type).from_cfg(config)
        metrics = runner.test()
    if is_main_process():
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(json.dumps(metrics, indent=2) + '\n')
        if results is not None:
            save_results(results, box_images(runner, config), config_classes(config))
        metrics_table(metrics, config_classes(config))
        note_outcome(metrics=metrics, out=out, report=f'{config.work_dir}/report.html')
        print(f'metrics {out}\nreport  {config.work_dir}/report.html')
    return metrics


def box_images(runner: Runner, config: Config) -> list[ImageResult]:
    """The images of the test, for ``--results``.

    Raises:
        UserError: no evaluator of boxes.
    """
    metric = find_box_ap(runner.test_loop)
    if metric is None:
        raise UserError(f"--results: {config.filename}: test_evaluator: none is a BoxAP; add dict(type='BoxAP')")
    return metric.images
