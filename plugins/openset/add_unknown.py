"""``add-unknown CONFIG CHECKPOINT --out D``: a trained detector that also says "unknown", as a config and a checkpoint.

python -m plugins.openset.add_unknown CONFIG CHECKPOINT --out D [--budget .1]

For YOLOv5, RTMDet, RetinaNet and Faster R-CNN that were trained on their known classes alone, and for the teacher of an
OpenSetDetector. Nothing is trained: what a labelled object looks like is fitted on training images, the threshold on
the known objects of val. D/config.py and D/checkpoint.pth then go to test, predict and export as any others.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmdet.registry import MODELS
from mmengine.config import Config
from rich.console import Console
from rich.table import Table

from detplug.cli.config import building, load_config
from detplug.cli.detector import build_detector, check_classes, config_classes
from detplug.cli.run import run
from detplug.data.dataset_config import innermost_datasets
from detplug.engine import published_weights
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.engine.device import AUTO, HELP, choose_device
from detplug.engine.quiet import quiet_imports
from detplug.engine.weights import fit_weights, state_of
from detplug.errors import UserError
from detplug.outcome import note_outcome

with quiet_imports():
    import plugins.openset.register  # noqa: F401

from .inference.budget import KnownObjects, choose_tau, count_named, count_objects, false_alarm_share
from .inference.fit import fit_strangeness, known_objects, labelled_dataset, samples_of
from .inference.known_map import known_map
from .inference.with_unknown import WithUnknown
from .ood_model import CALIBRATIONS
from .plan import PLANS
from .scores import SCORERS

CONFIG, CHECKPOINT = 'config.py', 'checkpoint.pth'
CLASS_SHARE = 0.1  # chosen on val of BCCD, benchmarks/openset_budget.py
MOST = 1000  # training images that are read


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and write as the command line says; returns the exit status."""
    args = make_parser().parse_args(argv)
    if not args.budget > 0:
        raise UserError(f'--budget {args.budget:g}: give more than 0 known objects an image')
    if not 0 <= args.class_share <= 1:
        raise UserError(f'--class-share {args.class_share:g}: give 0 to 1, a share of the objects of a class')
    if args.images < 1:
        raise UserError(f'--images {args.images}: give at least 1')
    out = Path(args.out)
    check_out(out)
    config = load_config(args.config, args.cfg_options, dict(load_from='the checkpoint', device='--device'))
    given, args.scorer = args.scorer, args.scorer or 'MaxLogit'
    new = with_unknown_config(config, args)
    with building(config.filename):
        model = MODELS.build(new.model)  # refuses a detector of another kind before any label is read
    if given is None:
        args.scorer, reason = default_scorer(config)
        print(f'--scorer {args.scorer}: {reason}')
        new = with_unknown_config(config, args)
        model = MODELS.build(new.model)
    load_detector(model, config, args.checkpoint)
    with building(config.filename):
        fit(model.to(choose_device(args.device)).eval(), config, args)
    new.model.one_name = model.one_name
    write(model.cpu(), new, out)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog='add-unknown', description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('checkpoint', help=published_weights.HELP)
    parser.add_argument('--out', required=True, help=f'folder of {CONFIG} and {CHECKPOINT}')
    parser.add_argument('--budget', type=float, default=0.1, help='known objects an image that may be named unknown')
    parser.add_argument('--class-share', type=float, default=CLASS_SHARE,
                        help='share of a known class that may be named unknown on val; 1: no limit')  # fmt: skip
    parser.add_argument('--scorer', choices=sorted(SCORERS.module_dict),
                        help='what is strange; if not given, UnknownClass where chimeras taught class "unknown", else '
                             'Rarity where most labelled objects are of one class, else MaxLogit')  # fmt: skip
    parser.add_argument('--calibration', choices=CALIBRATIONS,
                        help='if not given, none for a scorer that gives a probability, else conformal')  # fmt: skip
    parser.add_argument('--one-name', choices=('auto', 'on', 'off'), default='auto',
                        help='two boxes of different known classes are one object; auto: where known mAP of val '
                             'does not fall by it')  # fmt: skip
    parser.add_argument('--images', type=int, default=MOST, help='training images, at most, that are read')
    parser.add_argument('--device', default=AUTO, help=HELP)
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE')
    return parser


def default_scorer(config: Config) -> tuple[str, str]:
    """The scorer for a detector that nobody chose one for, and why; see configs/openset/README.md."""
    model = config.model
    if model['type'] == 'OpenSetDetector' and PLANS[model.mode].embeds and model.get('cce', {}).get('chimeras', 0) > 0:
        return 'UnknownClass', 'chimeras taught the detector class "unknown"'
    counts = Counter(
        item['bbox_label']
        for dataset in labelled_dataset(config, 'train')
        for i in range(len(dataset))
        for item in dataset.get_data_info(i)['instances']
        if not item['ignore_flag']
    )
    most = max(counts.values(), default=0) / max(counts.total(), 1)
    name = 'Rarity' if most > 0.5 else 'MaxLogit'
    return name, f'the most frequent class has {most:.0%} of the labelled objects'


def check_out(out: Path) -> None:
    """Refuse a folder that holds something else than an earlier result.

    Raises:
        UserError: it does.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f'{out}: --out: is a file; give a folder')
    others = {x.name for x in out.iterdir()} - {CONFIG, CHECKPOINT} if out.is_dir() else set()
    if others:
        raise UserError(f'{out}: --out: holds {sorted(others)[0]}; give a new folder')


def with_unknown_config(config: Config, args: argparse.Namespace) -> Config:
    """The config to write: its model is ``WithUnknown`` around the detector of ``config``.

    Raises:
        UserError: a model that has "unknown" already.
    """
    model = config.model.to_dict() if hasattr(config.model, 'to_dict') else dict(config.model)
    if model['type'] == 'WithUnknown':
        raise UserError(f'{config.filename}: model: is WithUnknown already; give the config that it was made from')
    open_set = model['type'] == 'OpenSetDetector'
    detector = model['detector'] if open_set else model
    preprocessor = detector.pop('data_preprocessor', None)
    if open_set:
        preprocessor = model['data_preprocessor']['data_preprocessor']
    new = Config(config.to_dict(), filename=config.filename)
    new.model = dict(
        type='WithUnknown',
        detector=detector,
        classes=model['classes'] if open_set else len(config_classes(config)),
        has_unknown_class=open_set,
        scorer=dict(type=args.scorer),
        calibration=args.calibration or ('none' if SCORERS.get(args.scorer).is_probability else 'conformal'),
        budget=args.budget,
        class_share=args.class_share,
        one_name=args.one_name == 'on',
        data_preprocessor=preprocessor,
    )
    for split in ('val', 'test'):
        see_unknown(new, split)
    imports = list((config.get('custom_imports') or {}).get('imports') or ())
    if 'plugins.openset.register' not in imports:
        imports.append('plugins.openset.register')
    new.custom_imports = dict(imports=imports, allow_failed_imports=False)
    new.load_from, new.custom_hooks = None, [x for x in config.get('custom_hooks') or [] if x['type'] == 'ReportHook']
    new.pop('work_dir', None)
    return new


def see_unknown(config: Config, split: str) -> None:
    """A ``BoxAP`` of a split whose data samples say where unknown objects are becomes an ``OpenSetMetric``."""
    evaluator, dataset = config.get(f'{split}_evaluator'), (config.get(f'{split}_dataloader') or {}).get('dataset')
    pipelines = [x.get('pipeline') or () for x in innermost_datasets(dataset or {})]
    keys = [step.get('meta_keys') or () for pipeline in pipelines for step in pipeline]
    if isinstance(evaluator, dict) and evaluator.get('type') == 'BoxAP' and any('unknown_instances' in x for x in keys):
        evaluator['type'] = 'OpenSetMetric'


def load_detector(model: WithUnknown, config: Config, checkpoint: str) -> None:
    """The weights of the detector, or of the one of an OpenSetDetector that predicts.

    Raises:
        UserError: a checkpoint of another config.
    """
    saved = load_file(checkpoint)
    check_classes(saved, config, checkpoint)
    if model.has_unknown_class:
        prefix = f'{config.model.get("predict_on", "teacher")}.'
        state = {name.removeprefix(prefix): x for name, x in state_of(saved).items() if name.startswith(prefix)}
        if not state:
            raise UserError(f'{checkpoint}: holds no {prefix[:-1]}; give a checkpoint of the OpenSetDetector')
        saved['state_dict'] = state
    fit_weights(model.detector, saved, checkpoint, strict=True)
    model.detector.load_state_dict(saved['state_dict'])


def fit(model: WithUnknown, config: Config, args: argparse.Namespace) -> None:
    """Fit strangeness, tau and the suppression between known names; says on the screen what came of it.

    Raises:
        UserError: no labelled images, too few labelled objects, or a budget that they cannot bound.
    """
    train, val = (labelled_dataset(config, split) for split in ('train', 'val'))
    matched, objects = fit_strangeness(model, samples_of(train, args.images))
    print(f'{matched} of {objects} labelled objects of training images found by the detector')
    if not model.ood.fitted.any():
        raise UserError(
            f'{config.filename}: train_dataloader: the detector finds {matched} of {objects} labelled objects, too '
            'few to say what is strange; give a trained checkpoint or more labelled images'
        )
    for level in (~model.ood.fitted).nonzero()[:, 0].tolist():
        print(f'level {level}: too few labelled objects; what is found there is never named unknown')
    images = known_objects(model, samples_of(val))
    source = f'{config.filename}: val_dataloader'
    alpha = false_alarm_share(images, args.budget, source)
    model.tau.fill_(choose_tau(images, alpha, model.rule, args.class_share))
    if args.one_name == 'auto':
        model.one_name = decide_one_name(model, images)
        model.tau.fill_(choose_tau(images, alpha, model.rule, args.class_share))
    Console().print(summary(model, images, alpha, config_classes(config)))
    if not model.tau < 1:
        print(f'tau 1: the detector alone names more than {alpha:.3g} of the known objects unknown, or none is strange')


def decide_one_name(model: WithUnknown, images: list[KnownObjects]) -> bool:
    """Whether suppression between known classes leaves the known mAP of val at least as high."""
    both = [known_map(images, model.classes, replace(model.rule, one_name=value)) for value in (True, False)]
    return both[0] >= both[1]


def summary(model: WithUnknown, images: list[KnownObjects], alpha: float, names: Sequence[str]) -> Table:
    """What tau costs on val: known objects that lose their name, class by class, and known mAP."""
    table = Table(
        title=f'tau {float(model.tau):.5f}, budget {model.budget:g} an image: {alpha:.3g} of known objects of val, '
        f'{model.class_share:g} of a class'
    )
    for column in ('class', 'objects', 'named unknown'):
        table.add_column(column)
    objects, named = count_objects(images, model.classes), count_named(images, model.rule)
    for name, *counts in zip((*names, 'all'), (*objects, objects.sum()), (*named, named.sum()), strict=True):
        table.add_row(name, *map(str, counts))
    before = known_map(images, model.classes, None)
    table.add_row('known mAP before, after', f'{before:.4f}', f'{known_map(images, model.classes, model.rule):.4f}')
    return table


def write(model: WithUnknown, config: Config, out: Path) -> None:
    """D/config.py and D/checkpoint.pth; both are read again."""
    out.mkdir(parents=True, exist_ok=True)
    names = config_classes(config)
    save_atomic(dict(meta=dict(dataset_meta=dict(classes=names)), state_dict=model.state_dict()), out / CHECKPOINT)
    config.dump(out / CONFIG)
    build_detector(load_config(out / CONFIG), out / CHECKPOINT)
    note_outcome(config=out / CONFIG, checkpoint=out / CHECKPOINT, tau=float(model.tau))
    print(f'{out / CONFIG}\n{out / CHECKPOINT}')


if __name__ == '__main__':
    sys.exit(run(main))
