"""What balanced negative sampling (BNPS) changes where it is applied: treatment drawn, effect seen.

Each setting is trained with several samplers, which have the same scope (batch), replacement, number of pairs and
seeds, and so the same numbers of positives and negatives a step. The last checkpoint, no choice, is measured with boxes
that are fixed, so that all samplers are asked about the same pairs: V-COCO val with the noise of a detector, or VRD's
held-out images with dense noise.

available_nK, drawn_nK  shares of the negatives that were there and that were drawn, in percent
related_ap          pooled average precision of "related", and against one kind of negatives (related_ap_nK), in percent
fp_RR               negatives above the score at which RR % of the related pairs are found; of one kind fp_RR_nK
recall_N            share of the related pairs among the best N of their image, in percent
task                of the training's last held-out validation (role AP S1, relationship R@50), in percent
NAME_change         against uniform: fp in percent of it, others in points; mean over seeds that both have, and the
                    limits of its 95 % interval (_low, _high; Student's t)

The sampler `no_n4` proves the measure: it never draws N4 (both boxes right, other relation), so false positives of N4
must rise. `bnps5` is the second reading of the paper's five classes; `expected` weighs every pair instead of drawing.

The comparison that decides, uniform and bnps, comes first and is recorded when it is there; `no_n4` follows. A sampler
that draws what uniform draws ends the benchmark: its figures would say nothing.

Resumable: a training that was stopped continues, a run that has its row in results/sabra_bnps_runs.jsonl is not
repeated; the figures of all rows are recorded. Two cores: one process with `--seeds 0 1 2`, one with `--seeds 3 4`,
each with OMP_NUM_THREADS=1, and `--record` at the end.

python benchmarks/sabra_bnps.py --drawn                     (no training: what the two draw in 20 batches)
python benchmarks/sabra_bnps.py                             (experiments 1 and 2, five seeds)
python benchmarks/sabra_bnps.py --settings vcoco_scores vrd_scores vcoco_2020 --samplers uniform bnps
(needs data/vcoco and data/vrd: tools/prepare_data.py NAME DOWNLOAD --out data/NAME)
"""

import argparse
import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from finetuning import ROOT
from record import RESULTS, commit, record
from sabra_predictions import drawn_counts, predict, scored_pairs
from sabra_variants import SAMPLER, train, use_prepared_data
from scipy.stats import t as student

from detplug.engine.history import read_history
from plugins.sabra.sampling.counts import NAMES
from plugins.sabra.sampling.measures import pair_figures
from plugins.sabra.sampling.picture import total

FOLDER = Path('work_dirs/benchmarks/sabra_bnps')
RUNS = RESULTS / 'sabra_bnps_runs.jsonl'
VCOCO, VRD = 'configs/sabra/sabra_vcoco_boxes.py', 'configs/sabra/sabra_vrd_boxes.py'
TRAIN = 'train_dataloader.dataset.dataset.pipeline.1'
SHARED = ['model.head.sampler.scope=batch', 'model.head.sampler.replacement=True']
ON_VCOCO = [*SHARED, 'model.head.sampler.num_pairs=16', f'{TRAIN}.clean=0.0']
ON_VRD = [*SHARED, 'model.head.sampler.num_pairs=32', f'{TRAIN}.clean=0.0', f'{TRAIN}.score_thr=0.05']
ON_VRD += ['val_dataloader.dataset.pipeline.1.score_thr=0.05']
SCORES = 'model.head.score_inputs=True'
SETTINGS = {  # name -> config, --cfg-options, split that is measured
    'vcoco': (VCOCO, ON_VCOCO, 'test'),
    'vrd_dense': (VRD, ON_VRD, 'val'),
    'vcoco_scores': (VCOCO, [*ON_VCOCO, SCORES], 'test'),
    'vrd_scores': (VRD, [*ON_VRD, SCORES], 'val'),
    # before UPT: no detection scores in the loss, no focal weights
    'vcoco_2020': (VCOCO, [*ON_VCOCO, 'model.head.train_power=0.0', "model.head.focal={'gamma': 0.0}"], 'test'),
}
SAMPLERS = {
    'uniform': [f'{SAMPLER}=UniformSampler'],
    'bnps': [],
    'no_n4': ['model.head.sampler.kind_shares=[1,1,1,0,1]'],
    'bnps5': ['model.head.sampler.reading=proposals', 'model.head.sampler.pos_fraction=None'],
    'expected': ['model.head.sampler.expected=True'],
    'ohem': [f'{SAMPLER}=HardNegativeSampler'],
}
TASK = {VCOCO: 'role_ap_s1', VRD: 'relationship_r50_k1'}
COUNTED = 'fp_'  # figures that are numbers; the others are shares
DECIDING = ('uniform', 'bnps')
ONCE = 'train_cfg.val_interval=3000'  # the last checkpoint is measured: the validations before it choose nothing
SAME = 10.0  # points of total variation below which two samplers draw the same
BATCHES = 20  # of --drawn


def queue(settings: Sequence[str], samplers: Sequence[str], seeds: Sequence[int]) -> list[list[dict]]:
    """Groups of runs: those that decide, then the others; in each seed after seed, so that pairs are there early."""
    groups = [[x for x in samplers if (x in DECIDING) == first] for first in (True, False)]
    return [
        [
            dict(setting=setting, sampler=sampler, seed=seed)
            for seed, setting, sampler in itertools.product(seeds, settings, group)
        ]
        for group in groups
        if group
    ]


def shares(counts: Mapping[str, float], what: str) -> dict[str, float]:
    """Of N1..N5, percent of the negatives that were 'available' or 'drawn'."""
    negatives = sum(counts[f'{what}/{name}'] for name in NAMES[1:])
    return {f'{what}_{name}': 100 * counts[f'{what}/{name}'] / negatives for name in NAMES[1:]}


def variation(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Points that lie elsewhere in the drawn shares of ``other``."""
    return sum(abs(one[f'drawn_{name}'] - other[f'drawn_{name}']) for name in NAMES[1:]) / 2


def refuse_untreated(rows: Sequence[Mapping]) -> None:
    """End where bnps drew what uniform drew, in the same setting and seed.

    Args:
        rows: with setting, sampler, seed and figures, among which drawn_n1 .. drawn_n5.
    """
    figures = {(row['setting'], row['seed'], row['sampler']): row['figures'] for row in rows}
    for (setting, seed, sampler), figures_of_run in figures.items():
        uniform = figures.get((setting, seed, 'uniform'))
        if sampler == 'bnps' and uniform is not None and variation(figures_of_run, uniform) < SAME:
            raise SystemExit(
                f'{setting}, seed {seed}: bnps and uniform draw the same (N1..N5 differ by '
                f'{variation(figures_of_run, uniform):.1f} points): nothing is compared'
            )


def drawn(setting: str, sampler: str, batches: int = BATCHES) -> dict[str, float]:
    """available_nK and drawn_nK of batches of the training's loader, without training."""
    use_prepared_data()
    config, options, _ = SETTINGS[setting]
    counts = drawn_counts(config, [*options, *SAMPLERS[sampler]], batches)
    return shares(counts, 'available') | shares(counts, 'drawn')


def measure(setting: str, sampler: str, seed: int) -> dict[str, float]:
    """Train and measure one run."""
    config, options, split = SETTINGS[setting]
    folder, options = FOLDER / setting / sampler / f'seed{seed}', [*options, *SAMPLERS[sampler]]
    train(config, folder, seed, [*options, ONCE])
    _, results, kinds = predict(config, folder / 'last.pth', options, split)
    figures = pair_figures(scored_pairs(results, kinds))
    figures = {name: value if name.startswith(COUNTED) else 100 * value for name, value in figures.items()}
    counts = total(read_history(ROOT / folder / 'relations.jsonl'))
    for what in ('available', 'drawn'):
        negatives = sum(counts[f'{what}/{name}'] for name in NAMES[1:])
        figures |= shares(counts, what) | {f'{what}_negatives_a_positive': negatives / counts[f'{what}/positive']}
    validations = [row for row in read_history(ROOT / folder / 'history.jsonl') if f'val/{TASK[config]}' in row]
    return figures | dict(task=100 * validations[-1][f'val/{TASK[config]}'])


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and the limits of its 95 % interval; NaN limits of one value."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return mean, float('nan'), float('nan')
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return mean, mean - half, mean + half


def change(name: str, value: float, uniform: float) -> float:
    """Of a figure against uniform sampling: numbers in percent of it, shares in points."""
    if not name.startswith(COUNTED):
        return value - uniform
    return 100 * (value - uniform) / max(uniform, 1.0)


def summarise(rows: list[dict]) -> dict[str, float]:
    """SETTING.SAMPLER.NAME, mean over the seeds; NAME_change, _change_low and _change_high over the paired seeds."""
    figures: dict[str, float] = {}
    for setting, sampler in itertools.product(SETTINGS, SAMPLERS):
        runs, uniform = (
            {row['seed']: row['figures'] for row in rows if (row['setting'], row['sampler']) == (setting, name)}
            for name in (sampler, 'uniform')
        )
        paired = sorted(runs.keys() & uniform.keys()) if sampler != 'uniform' else []
        for name in next(iter(runs.values()), ()):
            where = f'{setting}.{sampler}.{name}'
            figures[where] = statistics.mean(run[name] for run in runs.values())
            if paired and not name.startswith(('available', 'drawn')):
                changes = [change(name, runs[seed][name], uniform[seed][name]) for seed in paired]
                limits = interval(changes)
                figures |= dict(zip((f'{where}_change{end}' for end in ('', '_low', '_high')), limits, strict=True))
    return {name: value for name, value in figures.items() if value == value}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--settings', nargs='+', choices=SETTINGS, default=['vcoco', 'vrd_dense'])
    parser.add_argument('--samplers', nargs='+', choices=SAMPLERS, default=['uniform', 'bnps', 'no_n4'])
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2, 3, 4])
    parser.add_argument('--drawn', action='store_true', help='record what uniform and bnps draw, without training')
    parser.add_argument('--record', action='store_true', help='record the rows that are there, without training')
    args = parser.parse_args()
    if args.drawn:
        record_drawn(args.settings, args.samplers)
        return
    for group in queue(args.settings, args.samplers, args.seeds):
        for run in [] if args.record else group:
            run_once(run)
        record_rows()


def record_drawn(settings: Sequence[str], samplers: Sequence[str]) -> None:
    """results/sabra_bnps_drawn.json: SETTING.SAMPLER.available_nK and drawn_nK, without training."""
    (runs, *_) = queue(settings, [x for x in samplers if x in DECIDING], [0])
    rows = [run | dict(figures=drawn(run['setting'], run['sampler'])) for run in runs]
    named = {f'{row["setting"]}.{row["sampler"]}.{name}': x for row in rows for name, x in row['figures'].items()}
    record('sabra_bnps_drawn', named, [0])
    refuse_untreated(rows)


def run_once(run: dict) -> None:
    """Train and measure, unless the row is there."""
    if any(run.items() <= row.items() for row in read_history(RUNS)):
        return
    row = run | dict(commit=commit(), figures=measure(**run))
    with RUNS.open('a') as file:
        file.write(json.dumps(row) + '\n')
    refuse_untreated(read_history(RUNS))


def record_rows() -> None:
    """Figures of all rows."""
    rows = read_history(RUNS)
    record('sabra_bnps', summarise(rows), sorted({row['seed'] for row in rows}))


if __name__ == '__main__':
    main()
