"""``train --data DATA --model NAME``: train on your own data; the config is computed and written, then trained.

DATA: a YOLO data.yaml, a COCO json or folder, a VOC folder, an export of Roboflow, Label Studio, CVAT, VIA or QuPath.
The config is WORK-DIR/config.py, which `detplug train` (also with --resume), `test`, `predict`, `export` and `compress`
take.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from detplug.engine.quiet import quiet_imports
from detplug.errors import UserError
from detplug.recipe.config_text import MARK, RecipeConfig
from detplug.recipe.models import find_model, recipe_models
from detplug.recipe.options import TrainedRun, read_options, recipe_options
from detplug.recipe.settings import AUGMENTATIONS, AUTO, MICROSCOPY, RecipeSettings, batch_of, size_of_input
from detplug.recipe.splits import read_data, write_annotations

with quiet_imports():
    from mmengine.config import Config

    from detplug.cli import train
    from detplug.cli.config import load_config
    from detplug.cli.config_address import config_path
    from detplug.engine.checkpoint_hook import BEST, LAST, numbered_checkpoints
    from detplug.engine.device import choose_device
    from detplug.engine.mixed_precision import default_dtype
    from detplug.engine.trackers import BACKENDS

CONFIG, DATA = 'config.py', 'data'


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    options = recipe_options()
    args = vars(make_parser(options).parse_args(argv))
    accept, config_only = args.pop('accept_anomalies'), args.pop('config_only')
    given = {name: args.pop(name) for name in options}
    args['options'] = {name: value for name, value in given.items() if value is not None}
    args['batch'] = _batch(args['batch'])
    args['unknown'] = tuple(args['unknown'])
    args['work_dir'] = args['work_dir'] or default_folder(args['data'], args['model'])
    settings = RecipeSettings(**args)
    if config_only:
        later = [name for name, (option, _) in read_options(settings.options).items() if option.after is not None]
        of_training = {'accept-anomalies': accept, 'patience': settings.patience, 'log-to': settings.log_to}
        for name in [*(name for name, value in of_training.items() if value), *later]:
            raise UserError(f'--{name}: has no effect with --config-only; leave one of them out')
        prepare(settings)
    else:
        train_data(settings, accept)
    return 0


def make_parser(options: dict) -> argparse.ArgumentParser:
    """The command line, with the options of plugins."""
    parser = argparse.ArgumentParser(
        prog='train', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', required=True, help='file or folder of the annotations, with the images near it')
    parser.add_argument('--model', required=True, metavar='NAME', help=', '.join(recipe_models()))
    parser.add_argument('--images', metavar='DIR', help='folder of the images, where they are not near the annotations')
    parser.add_argument('--size', type=int, metavar='PX', help='side of the network input; default: of the largest '
                        'picture, at most 640')  # fmt: skip
    length = parser.add_mutually_exclusive_group()
    length.add_argument('--epochs', type=int, metavar='N', help='passes over the training images; default 100')
    length.add_argument('--steps', type=int, metavar='N', help='training steps')
    length.add_argument('--minutes', type=float, metavar='M', help='as many steps as fit, by the speed measured first')
    parser.add_argument('--batch', default=AUTO, metavar='N', help='images a step, or auto: by the device')
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--augmentation', choices=AUGMENTATIONS, default=MICROSCOPY, help='for what kind of pictures; '
                        'microscopy has no upside and one magnification')  # fmt: skip
    parser.add_argument('--weights', metavar='FILE|coco', help='checkpoint to start from, or what mmdet published; '
                        'default: random weights')  # fmt: skip
    parser.add_argument('--patience', type=int, metavar='N', help='end after N validations without a better one')
    parser.add_argument('--log-to', choices=BACKENDS, help='TensorBoard, W&B or MLflow get the figures too')
    parser.add_argument('--unknown', nargs='+', default=[], metavar='NAME', help='classes that are not learned, and '
                        'told apart in the evaluation')  # fmt: skip
    for name, option in options.items():
        parser.add_argument(f'--{name}', metavar=option.metavar, help=option.help)
    parser.add_argument('--work-dir', help='folder for all that is written; default work_dirs/DATA-MODEL')
    parser.add_argument('--config-only', action='store_true', help='write the config and do not train')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--device', default=AUTO, help='auto, cpu, cuda, cuda:1, ...')
    parser.add_argument('--accept-anomalies', action='store_true', help='go on although more than 1 %% of the boxes '
                        'cannot be used')  # fmt: skip
    return parser


def train_data(settings: RecipeSettings, accept_anomalies: bool = False) -> TrainedRun:
    """Write the config of ``settings``, train it, and do what options of plugins add; returns what came of it.

    Raises:
        UserError: data, model or options that do not do, or a work folder that holds a training.
    """
    path, chosen = prepare(settings), read_options(settings.options)
    folder = path.parent
    words = ['--patience', str(settings.patience)] if settings.patience else []
    words += ['--log-to', settings.log_to] if settings.log_to else []
    words += ['--accept-anomalies'] if accept_anomalies else []
    train.main([str(path), '--work-dir', str(folder), *words])
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
        raise UserError(f'{folder}: holds an earlier training; continue it with `train {folder / CONFIG} --resume`, '
                        'or give another --work-dir')  # fmt: skip
    check_replaceable(folder / CONFIG)
    chosen = read_options(settings.options)
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
    model = find_model(settings.model)
    data = read_data(settings.data, settings.images, settings.unknown)
    device = choose_device(settings.device).type
    size = settings.size or size_of_input(data)
    batch = batch_of(device, size) if settings.batch == AUTO else settings.batch
    workers = 0 if device == 'cpu' else min(8, (os.cpu_count() or 2) // 2)
    dtype = default_dtype(device) if settings.amp else None
    with quiet_imports():
        stock = Config.fromfile(config_path(model.config)).model.to_dict()
    return RecipeConfig(settings, data, model, stock, size, batch, workers, dtype)


def write(recipe: RecipeConfig, folder: Path) -> Path:
    """Write annotations and config.py into ``folder``; returns the path of the config."""
    write_annotations(recipe.data, folder / DATA)
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

    with tempfile.TemporaryDirectory() as folder:
        speed = measure(load_config(write(recipe, Path(folder)), ['max_iters=12']), most=seconds / 10)
    images = len(recipe.data.splits['val'].records)
    left = seconds - (time.monotonic() - began)
    steps, validations = fitting_steps(left, speed, images)
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
        ('model', f'{settings.model}, {start}'),
        (
            'input',
            f'{recipe.size} px, {recipe.batch} images a step, augmentation for {settings.augmentation} pictures'
            f'{precision}',
        ),
        *(('', note) for note in recipe.notes),
        ('length', f'{config.max_iters} steps'),
        ('config', str(path)),
    ):
        print(f'{what:8}{text}', flush=True)


def best_of(folder: Path) -> Path:
    """The best checkpoint of a training, or the last one."""
    return folder / BEST if (folder / BEST).exists() else folder / LAST


def default_folder(data: str, model: str) -> str:
    """work_dirs/DATA-MODEL, with the name of the folder that a file such as data.yaml lies in."""
    path = Path(data).resolve()
    return str(Path('work_dirs') / f'{path.parent.name if path.is_file() else path.name}-{model}')


def _batch(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
