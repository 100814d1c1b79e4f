"""``train --data DATA --model NAME``: train on your own data; the config is computed and written, then trained.

DATA: a YOLO data.yaml, a COCO json or folder, a VOC folder, an export of Roboflow, Label Studio, CVAT, VIA or QuPath.
The config is WORK-DIR/config.py, which `detplug train` (also with --resume), `test`, `predict`, `export` and `compress`
take.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from detplug.cli.command_parser import CommandParser
from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError
from detplug.recipe.config_text import MARK, RecipeConfig
from detplug.recipe.models import find_model, recipe_models
from detplug.recipe.options import TrainedRun, read_options, recipe_options
from detplug.recipe.settings import AUTO, RecipeSettings, batch_of, size_of_input
from detplug.recipe.splits import read_data, write_annotations
from detplug.recipe.train_options import arguments, flag, split_options
from detplug.work_folder import default_folder

with quiet_imports():
    from mmengine.config import Config

    from detplug.cli import train
    from detplug.cli.config import load_config
    from detplug.cli.config_address import config_path
    from detplug.engine.checkpoint_hook import BEST, LAST, numbered_checkpoints
    from detplug.engine.device import choose_device
    from detplug.engine.mixed_precision import default_dtype

CONFIG, DATA, ANOMALIES = 'config.py', 'data', 'anomalies.txt'
POOR = 0.05  # mAP50 of a detector that has not learned its classes yet
OF_TRAINING = ('patience', 'log_to', 'accept_anomalies')  # options that `train CONFIG` has, no part of the config


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    args = vars(make_parser().parse_args(argv))
    config_only = args.pop('config_only')
    given = {name: args.pop(name) for name in [*arguments(), *recipe_options()] if name in args}
    args['options'], args['plugin_options'] = split_options(given)
    args['batch'] = _batch(args['batch'])
    args['work_dir'] = args['work_dir'] or default_folder(args['data'], args['model'])
    settings = RecipeSettings(**args)
    if config_only:
        later = [name for name, (option, _) in read_options(settings.plugin_options).items() if option.after]
        for name in [*(name for name in OF_TRAINING if settings.options[name]), *later]:
            raise UserError(f'{flag(name)}: has no effect with --config-only; leave one of them out')
        prepare(settings)
    else:
        train_data(settings)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line, with the options of plugins."""
    parser = CommandParser(prog='train', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', required=True, help='file or folder of the annotations, with the images near it')
    parser.add_argument('--model', required=True, metavar='NAME', help=', '.join(recipe_models()))
    parser.add_argument('--size', type=int, metavar='PX', help='side of the network input; default: of the largest '
                        'picture, at most 640')  # fmt: skip
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--epochs', type=int, metavar='N', help='passes over the training images; default 100')
    length.add_argument('--steps', type=int, metavar='N', help='training steps')
    length.add_argument('--minutes', type=float, metavar='M', help='as many steps as fit, by the speed measured first')
    parser.add_argument('--batch', default=AUTO, metavar='N', help='images a step, or auto: by the device')
    for name, argument in arguments().items():
        argument.add_to(parser, name)
    for name, option in recipe_options().items():
        parser.add_argument(flag(name), metavar=option.metavar, help=option.help)
    parser.add_argument('--work-dir', help='folder for all that is written; default work_dirs/DATA-MODEL')
    parser.add_argument('--config-only', action='store_true', help='write the config and do not train')
    parser.add_argument('--device', default=AUTO, help='auto, cpu, cuda, cuda:1, ...')
    return parser


def train_data(settings: RecipeSettings) -> TrainedRun:
    """Write the config of ``settings``, train it, and do what options of plugins add; returns what came of it.

    Raises:
        UserError: data, model or options that do not do, or a work folder that holds a training.
    """
    path, chosen = prepare(settings), read_options(settings.plugin_options)
    folder = path.parent
    words: list[str] = []
    for name in OF_TRAINING:
        value = settings.options[name]
        words += [] if not value else [flag(name)] if value is True else [flag(name), str(value)]
    train.main([str(path), '--work-dir', str(folder), *words])
    map50 = json.loads((folder / 'metrics.json').read_text()).get('map50', 1.0)
    if map50 < POOR:
        print(f'mAP50 {map50:.3f}: it has hardly learned anything; train longer, or start from --weights', flush=True)
    run = TrainedRun(folder, path, best_of(folder), int(load_config(path).max_iters))
    for option, value in chosen.values():
        if option.after is not None:
            run = option.after(run, value)
    print(f'next: detplug test {run.config} {run.checkpoint}', flush=True)
    return run


def prepare(settings: RecipeSettings) -> Path:
    """Write config.py and the annotations of ``settings`` into its work folder, and say what was chosen.

    Raises:
        UserError: as :func:`train_data`; nothing is written then.
    """
    began, folder = time.monotonic(), Path(settings.work_dir)
    if numbered_checkpoints(folder):
        raise UserError(
            f'{folder}: holds an earlier training; continue it with `detplug train {folder / CONFIG} --resume`, '
            'or give another --work-dir'
        )
    check_replaceable(folder / CONFIG)
    chosen = read_options(settings.plugin_options)
    recipe = compute(settings)
    for option, value in chosen.values():
        if option.change is not None:
            option.change(recipe, value)
    for option in recipe_options().values():
        if option.every is not None:
            option.every(recipe)
    for name, (option, _) in chosen.items():
        if option.plain and recipe.wrapped_by:
            raise UserError(f'--{name}: takes a plain detector, {recipe.wrapped_by} makes a student and a teacher; '
                            'leave one out')  # fmt: skip
    if settings.minutes is not None:
        set_length(recipe, settings.minutes * 60, began)
    path = write(recipe, folder)
    describe(recipe, path)
    return path


def check_replaceable(path: Path) -> None:
    """Refuse to write over a config that somebody wrote by hand.

    Raises:
        UserError: the config at ``path`` is none of a recipe.
    """
    if path.exists() and MARK not in path.read_text(encoding='utf-8', errors='replace'):
        raise UserError(f'{path}: would be written over, and is none of `train --data`; give another --work-dir')


def compute(settings: RecipeSettings) -> RecipeConfig:
    """The recipe: data and model read, open numbers filled in."""
    model, options = find_model(settings.model), settings.options
    data = read_data(settings.data, options['images'], options['unknown'])
    device = choose_device(settings.device).type
    size = settings.size or size_of_input(data)
    batch = batch_of(device, size) if settings.batch == AUTO else settings.batch
    workers = 0 if device == 'cpu' else min(8, (os.cpu_count() or 2) // 2)
    dtype = default_dtype(device) if options['amp'] else None
    with quiet_imports():
        stock = Config.fromfile(config_path(model.config)).model.to_dict()
    return RecipeConfig(settings, data, model, stock, size, batch, workers, dtype)


def write(recipe: RecipeConfig, folder: Path) -> Path:
    """Write annotations and config.py into ``folder``; returns the path of the config."""
    write_annotations(recipe.data, folder / DATA)
    (folder / DATA / ANOMALIES).unlink(missing_ok=True)
    if recipe.data.anomalies:
        (folder / DATA / ANOMALIES).write_text('\n'.join([*recipe.data.anomalies, '']), encoding='utf-8')
    path = folder / CONFIG
    path.write_text(recipe.text(), encoding='utf-8')
    return path


def set_length(recipe: RecipeConfig, seconds: float, began: float) -> None:
    """Measure the speed of the recipe's training, and give it as many steps as fit into ``seconds``.

    Args:
        began: time.monotonic() from which the seconds count.

    Raises:
        UserError: hardly a step fits.
    """
    from detplug.recipe.time_budget import fitting_steps, measure

    print('the speed of the first steps is measured', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        speed = measure(load_config(write(recipe, Path(folder)), ['max_iters=12']), seconds)
    images = len(recipe.data.splits['val'].records)
    passed = time.monotonic() - began
    steps, validations = fitting_steps(seconds - passed, speed, images, passed)
    recipe.notes.append(f'speed: {speed.step:.2g} s a step, {speed.val_image:.2g} s an image of val, measured')
    recipe.length = (f'max_iters = {steps}  # steps; fit into {recipe.settings.minutes:g} minutes with {validations} '
                     f'validations, at {speed.step:.2g} s a step')  # fmt: skip
    recipe.validations = validations


def describe(recipe: RecipeConfig, path: Path) -> None:
    """Say what was chosen, and by what."""
    settings, config = recipe.settings, load_config(path)
    start = f'starts from {recipe.start}' if recipe.start else 'from random weights (no --weights)'
    precision = '' if recipe.dtype is None else f', {recipe.dtype}'
    for what, text in (
        ('data', recipe.data.describe()),
        *(('', note) for note in recipe.data.notes),
        *([('', f'all of these files: {path.parent / DATA / ANOMALIES}')] if recipe.data.anomalies else []),
        ('model', f'{settings.model}, {start}'),
        (
            'input',
            f'{recipe.size} px, {recipe.batch} images a step, '
            f'augmentation for {settings.options["augmentation"]} pictures{precision}',
        ),
        *(('', note) for note in recipe.notes),
        ('length', f'{config.max_iters} steps'),
        ('config', str(path)),
    ):
        print(f'{what:8}{text}', flush=True)


def best_of(folder: Path) -> Path:
    """The best checkpoint of a training, or the last one."""
    return folder / BEST if (folder / BEST).exists() else folder / LAST


def _batch(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
