"""What a limit a class (``add-unknown --class-share``) does on val, on the two tasks that switches are chosen on.

Figures: TASK.MODE.budget_B.share_S.KEY of val for the detectors that ``openset_tasks.py`` trained with seed 0, at known
objects an image (B) and of a class (S, 1 is no limit) that may be named unknown. tau is chosen on the known
objects of val as add-unknown does. No test split is read.

python benchmarks/openset_tasks.py --tasks malaria_trophozoite-schizont bccd7_eosinophil-basophil --seeds 0
python benchmarks/openset_budget.py
"""

import argparse
import itertools

import torch
from finetuning import ROOT
from mmdet.registry import METRICS
from mmengine.config import Config
from openset_tasks import CHOICE, TRAINED, add_unknown, train
from record import record

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from plugins.openset.inference.budget import choose_tau, false_alarm_share
from plugins.openset.inference.fit import detected, known_objects, labelled_dataset, samples_of
from plugins.openset.inference.with_unknown import WithUnknown

BUDGETS, SHARES = (0.1, 1), (1, 0.5, 0.25, 0.1, 0)
KEYS = ('map', 'unknown_ap', 'u_recall_1', 'precision_1', 'aose', 'aose_r50')
COUNTS = ('unknown_objects', 'unknown_named', 'unknown_misnamed', 'known_objects', 'known_lost')


def evaluated(model: WithUnknown, config: Config, items: list[tuple]) -> dict[str, float]:
    """The metric of val over what the model says of images, [(feature maps' results, data sample)]."""
    metric = METRICS.build(config.val_evaluator)
    metric.dataset_meta = dict(classes=config.val_dataloader.dataset.metainfo.classes)
    for result, sample in items:
        sample.pred_instances = model.fused(result)
        sample.set_metainfo(dict(names_unknown=True))
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(items))


@torch.no_grad()
def figures_of(task: str, mode: str) -> dict[str, float]:
    """budget_B.share_S.KEY of one detector; ``none`` is the detector without fusion, ``tau`` what was chosen."""
    folder = add_unknown(*train('openset_tasks', task, mode, 0, []))
    config = load_config(ROOT / folder / 'config.py')
    model = build_detector(config, ROOT / folder / 'checkpoint.pth')
    val = labelled_dataset(config, 'val')
    known = known_objects(model, samples_of(val))
    items = [(model.described(maps, batch)[0], sample) for maps, batch, sample in detected(model, samples_of(val))]
    figures, taus = {}, {'none': 1.0}
    for budget, share in itertools.product(BUDGETS, SHARES):
        alpha = false_alarm_share(known, budget, 'val')
        taus[f'budget_{budget:g}.share_{share:g}'] = choose_tau(known, alpha, model.rule, share)
    for name, tau in taus.items():
        model.tau.fill_(tau)
        row = evaluated(model, config, items)
        figures |= {f'{name}.{key}': row[key] for key in (*KEYS, *COUNTS) if key in row} | {f'{name}.tau': tau}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tasks', nargs='+', choices=CHOICE, default=tuple(CHOICE))
    parser.add_argument('--modes', nargs='+', choices=TRAINED, default=TRAINED)
    args = parser.parse_args()
    figures = {}
    for task, mode in itertools.product(args.tasks, args.modes):
        rows = figures_of(task, mode)
        print(task, mode, *(f'{key} {float(value):.3f}' for key, value in rows.items()), sep='\n  ', flush=True)
        figures |= {f'{task}.{mode}.{key}': value for key, value in rows.items()}
    record('openset_budget', figures, [0])


if __name__ == '__main__':
    main()
