"""Leave-one-class-out tasks: closed, cce and oodfc_cce, and each again with fusion at inference as MODE_fused.

Switches were chosen on CHOICE, whose splits are the published ones; means are over TEST alone; the generated eggs are
reported apart. A run is a task, a mode and a seed. Resumable: a run with a row in results/openset_tasks_runs.jsonl is
not repeated, a training that was stopped continues. The checkpoint is the one that is best on val; the test split of
each run is evaluated once. MODE_fused is ``plugins.openset.add_unknown`` of the very checkpoint of MODE.

python benchmarks/openset_tasks.py
python benchmarks/openset_tasks.py --tasks malaria_ring --modes cce --seeds 0 --minutes 120
"""

import argparse
import importlib.util
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from finetuning import ROOT, convert_weights, run_tool, summary, test_checkpoint
from openset_modes import renamed
from record import RESULTS, commit, record
from scipy import stats

from detplug.engine.history import read_history

CHOICE = {'malaria_trophozoite-schizont': 'yolov5n_malaria', 'bccd7_eosinophil-basophil': 'yolov5n_bccd7'}
TEST = {
    name: f'tasks/{name}'
    for name in ('malaria_gametocyte', 'malaria_ring', 'bccd7_neutrophil', 'bccd7_lymphocyte-monocyte')
}
EGGS = {
    'parasite-samples_paragonimus-hymenolepis': 'yolov5n_parasite-samples',
    'parasite-samples_taenia-fasciolopsis': 'tasks/parasite-samples_taenia-fasciolopsis',
}
TASKS = CHOICE | TEST | EGGS  # task -> config below configs/openset
TRAINED = ('closed', 'cce', 'oodfc_cce')
FUSED = '_fused'
MODES = tuple(mode + end for mode in TRAINED for end in ('', FUSED))
ADD_UNKNOWN = 'plugins.openset.add_unknown'
# switches of oodfc_cce that paid on the val splits of CHOICE
SWITCHES = {
    'oodfc_cce': ['model.cce.unknown=True', 'model.cce.chimeras=0.25', 'model.fusion.max_false_discovery=0.5'],
}
BUDGET = 0.1  # known val objects an image that may be named unknown
PAIR = ('oodfc_cce_fused', 'cce_fused')  # what the first gains over the second, pair by pair
LAST_ROWS = 2  # of openset.jsonl
Run = tuple[str, str, int]  # task, mode, seed


def train(name: str, task: str, mode: str, seed: int, options: Sequence[str]) -> tuple[str, Path, list[str]]:
    """Train one run, or what is left of it: its config, work folder and --cfg-options."""
    config, folder = (
        f'configs/openset/{TASKS[task]}.py',
        Path('work_dirs/benchmarks') / name / task / mode / f'seed{seed}',
    )
    options = [f'model.mode={mode}', *SWITCHES.get(mode, ()), *options]
    if not (ROOT / folder / 'metrics.json').exists():
        words = ['--work-dir', str(folder), '--seed', str(seed), '--resume', '--cfg-options', *options]
        run_tool('train', config, *words)
    return config, folder, options


def add_unknown(config: str, folder: Path, options: Sequence[str]) -> Path:
    """The folder with config and checkpoint of fusion at inference over the best checkpoint in ``folder``."""
    out = folder / 'fused'
    if not (ROOT / out / 'done').exists():
        shutil.rmtree(ROOT / out, ignore_errors=True)
        words = [config, folder / 'best.pth', '--out', out, '--budget', BUDGET, '--cfg-options', *options]
        words = list(map(str, words))
        print('$', ADD_UNKNOWN, *words, flush=True)
        subprocess.run((sys.executable, '-m', ADD_UNKNOWN, *words), check=True, cwd=ROOT)
        (ROOT / out / 'done').touch()
    return out


def figures_of(name: str, run: Run, options: Sequence[str]) -> dict:
    """The row of one run: figures of test, those of val with ``val_`` before the name, and the end of openset.jsonl."""
    task, mode, seed = run
    config, folder, options = train(name, task, mode.removesuffix(FUSED), seed, options)
    trained = json.loads((ROOT / folder / 'metrics.json').read_text())
    checkpoint, where, val = folder / 'best.pth', folder, trained
    if mode.endswith(FUSED):
        where, options = add_unknown(config, folder, options), []
        config, checkpoint, where = str(where / 'config.py'), where / 'checkpoint.pth', folder / 'fused_figures'
        val = test_checkpoint(config, checkpoint, where / 'val', options, split='val')
    figures = {f'val_{key}': value for key, value in val.items() if key not in ('minutes', 'step')}
    figures |= test_checkpoint(config, checkpoint, where / 'test', options) | dict(minutes=trained['minutes'])
    rows = read_history(ROOT / folder / 'openset.jsonl')[-LAST_ROWS:]
    return dict(task=task, mode=mode, seed=seed, commit=commit(), figures=figures, openset=rows)


def table(rows: Sequence[dict]) -> dict[str, float]:
    """Flat figures: TASK.MODE.KEY, then mean.MODE.KEY over TEST for the seeds and modes that all of its tasks have."""
    found = {(row['task'], row['mode'], row['seed']): row['figures'] for row in rows}
    figures = {}
    for task, mode in itertools.product(TASKS, MODES):
        mine = [values for (t, m, _), values in found.items() if (t, m) == (task, mode)]
        figures |= named(f'{task}.{mode}', mine)
    for mode in MODES:
        seeds = sorted({seed for _, m, seed in found if m == mode})
        whole = [seed for seed in seeds if all((task, mode, seed) in found for task in TEST)]
        figures |= named(f'mean.{mode}', [mean_of([found[task, mode, seed] for task in TEST]) for seed in whole])
    return figures | gains(found)


def named(prefix: str, rows: Sequence[dict]) -> dict[str, float]:
    """Means over the rows, which are seeds, with their deviations."""
    return {f'{prefix}.{renamed(key)}': value for key, value in summary(rows).items()} if rows else {}


def mean_of(tasks: Sequence[dict]) -> dict[str, float]:
    """Mean over the tasks of the figures that all of them have; not of a class, which only some have."""
    keys = sorted(set.intersection(*map(set, tasks)))
    return {key: statistics.mean(figures[key] for figures in tasks) for key in keys if '/' not in key}


def gains(found: dict[Run, dict]) -> dict[str, float]:
    """What PAIR's first mode gains over its second: mean.MODE.KEY_gain with its 95 % interval, _gain_low, _gain_high.

    The differences of a task are those of runs with one seed; the interval is Student's for the mean over the tasks of
    TEST, which are fixed, with a variance of each task's own (Satterthwaite). It says what other seeds would give for
    these tasks and test images, not what other images would.
    """
    figures = {}
    both = [{seed for t, m, seed in found if (t, m) == (task, mode)} for task in TEST for mode in PAIR]
    seeds = sorted(set.intersection(*both))
    if len(seeds) < 2:
        return {}
    pairs = [[tuple(found[task, mode, seed] for mode in PAIR) for seed in seeds] for task in TEST]
    keys = set.intersection(*(set(x) for task in pairs for pair in task for x in pair))
    for key in sorted(x for x in keys if '/' not in x):
        differences = [[first[key] - second[key] for first, second in task] for task in pairs]
        mean, half = mean_and_half_width(differences)
        name = f'mean.{PAIR[0]}.{renamed(key)}_gain'
        figures |= {name: mean, f'{name}_low': mean - half, f'{name}_high': mean + half}
    return figures


def mean_and_half_width(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Mean of the groups' means, and half of its 95 % interval from the variance inside each group."""
    mean = statistics.mean(map(statistics.mean, groups))
    variances = [statistics.variance(x) / len(x) / len(groups) ** 2 for x in groups]
    if not sum(variances):
        return mean, 0.0
    freedom = sum(variances) ** 2 / sum(v**2 / (len(x) - 1) for v, x in zip(variances, groups, strict=True))
    return mean, float(stats.t.ppf(0.975, freedom)) * sum(variances) ** 0.5


def prepare_eggs() -> None:
    """Generate the eggs and split them as the head of configs/_base_/datasets/openset_samples.py says."""
    folder = Path('data/parasite_samples')
    subprocess.run((sys.executable, '-m', 'plugins.samples.parasites', str(folder)), check=True, cwd=ROOT)
    if not (ROOT / folder / 'openset.json').exists():
        words = [str(folder / 'annotations/train.json'), '--unknown', 'paragonimus', 'hymenolepis']
        words += ['--out', str(folder / 'openset.json')]
        subprocess.run((sys.executable, '-m', 'plugins.openset.split', *words), check=True, cwd=ROOT)


def queue(runs: Sequence[Run], path: Path, work: Callable[[Run], dict], minutes: float) -> None:
    """Append the row of each run that ``path`` does not have; no run starts after ``minutes``."""
    start = time.monotonic()
    for run in runs:
        if any((row['task'], row['mode'], row['seed']) == run for row in read_history(path)):
            continue
        if time.monotonic() - start > 60 * minutes:
            print(f'{minutes:g} minutes are over before {run}; the same command continues', flush=True)
            return
        row = work(run)
        with path.open('a') as file:
            file.write(json.dumps(row) + '\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=tuple(TASKS))
    parser.add_argument('--modes', nargs='+', choices=MODES, default=MODES)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--minutes', type=float, default=float('inf'), help='after which no further run starts')
    parser.add_argument('--name', default='openset_tasks', help='of the result files and the work folder')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='of every training; needs another --name')
    parser.add_argument('--weights', default='../shared/weights/yolov5n.pt', help='official checkpoint')
    args = parser.parse_args()
    if args.cfg_options and args.name == 'openset_tasks':
        parser.error('--cfg-options: trials have a --name of their own')
    if any(mode.endswith(FUSED) for mode in args.modes) and importlib.util.find_spec(ADD_UNKNOWN) is None:
        print(f'{ADD_UNKNOWN} does not exist: modes MODE{FUSED} are skipped', flush=True)
        args.modes = [mode for mode in args.modes if not mode.endswith(FUSED)]
    convert_weights(args.weights)
    if set(args.tasks) & set(EGGS):
        prepare_eggs()
    path = RESULTS / f'{args.name}_runs.jsonl'
    runs = [(task, mode, seed) for seed, task, mode in itertools.product(args.seeds, args.tasks, args.modes)]
    queue(runs, path, lambda run: figures_of(args.name, run, args.cfg_options), args.minutes)
    rows = read_history(path)
    record(args.name, table(rows), sorted({row['seed'] for row in rows}))


if __name__ == '__main__':
    main()
