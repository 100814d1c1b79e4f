"""The queue repeats nothing, means are over the test tasks alone, and the paired interval is that of the runs."""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.append(str(Path(__file__).resolve().parents[2] / 'benchmarks'))
import openset_tasks as tasks


def row(task: str, mode: str, seed: int, **figures) -> dict:
    return dict(task=task, mode=mode, seed=seed, figures=figures)


def test_a_run_with_a_row_is_not_repeated(tmp_path):
    path, done = tmp_path / 'runs.jsonl', []
    runs = list(itertools.product(('malaria_ring',), ('closed', 'closed_fused'), (0, 1)))

    def work(run):
        done.append(run)
        if len(done) == 3:
            raise KeyboardInterrupt
        return row(*run, map=0.5)

    with pytest.raises(KeyboardInterrupt):
        tasks.queue(runs, path, work, float('inf'))
    tasks.queue(runs, path, work, float('inf'))
    assert done == [*runs[:2], runs[2], *runs[2:]]
    assert [
        tuple(json.loads(x)[key] for key in ('task', 'mode', 'seed')) for x in path.read_text().splitlines()
    ] == runs


def test_no_run_starts_after_the_minutes(tmp_path, capsys):
    tasks.queue([('malaria_ring', 'cce', 0)], tmp_path / 'runs.jsonl', pytest.fail, -1)
    assert 'the same command continues' in capsys.readouterr().out


def test_the_mean_is_over_the_test_tasks_of_the_seeds_that_have_all():
    """The tasks that switches were chosen on, and the eggs, have figures of their own alone."""
    rows = [row(task, 'cce', 0, map=0.1 * (i + 1)) for i, task in enumerate(tasks.TEST)]
    rows += [row(task, 'cce', 0, map=0.9) for task in tasks.CHOICE | tasks.EGGS]
    rows += [row('malaria_ring', 'cce', 1, map=0.7), row('malaria_ring', 'closed', 0, map=0.7)]
    figures = tasks.table(rows)
    assert figures['mean.cce.known_map'] == pytest.approx(0.25) and 'mean.cce.known_map_std' not in figures
    assert 'mean.closed.known_map' not in figures
    assert figures['malaria_ring.cce.known_map'] == pytest.approx(0.45)
    assert figures['malaria_trophozoite-schizont.cce.known_map'] == 0.9


def test_figures_of_single_classes_are_in_no_mean():
    rows = [row(task, 'cce', 0, map=0.5, **{'ap/ring': 0.3}) for task in tasks.TEST]
    figures = tasks.table(rows)
    assert figures['malaria_ring.cce.ring_ap'] == 0.3 and not any('ring_ap' in x for x in figures if 'mean.' in x)


def test_the_paired_interval_finds_a_planted_gain_that_single_seeds_hide():
    """Runs of one seed go up and down together by .1; the gain of .02 shows in their differences."""
    generator = np.random.default_rng(0)
    rows = []
    for task, seed in itertools.product(tasks.TEST, range(3)):
        level = generator.normal(0.3, 0.1)
        for mode, gain in zip(tasks.PAIR, (0.02, 0.0), strict=True):
            rows.append(row(task, mode, seed, unknown_ap=level + gain + generator.normal(0, 0.002)))
    name = f'mean.{tasks.PAIR[0]}.unknown_ap_gain'
    figures = tasks.table(rows)
    assert 0 < figures[f'{name}_low'] < 0.02 < figures[f'{name}_high'] < 0.04
    assert figures[name] == pytest.approx(0.02, abs=0.005)
    for x in rows:
        x['mode'] = {a: b for a, b in zip(tasks.PAIR, tasks.PAIR[::-1], strict=True)}[x['mode']]
    assert tasks.table(rows)[f'{name}_high'] < 0


def test_of_one_task_it_is_student_s_interval():
    sample = [0.1, 0.3, 0.2, 0.5]
    mean, half = tasks.mean_and_half_width([sample])
    low, high = stats.t.interval(0.95, 3, np.mean(sample), stats.sem(sample))
    assert (mean - half, mean + half) == (pytest.approx(low), pytest.approx(high))


def test_the_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        groups = generator.normal([[0.0], [1.0], [2.0], [-3.0]], [[0.1], [0.2], [0.1], [0.3]], (4, 3))
        mean, half = tasks.mean_and_half_width(groups.tolist())
        inside += abs(mean) <= half
    assert 0.92 <= inside / 1000 <= 0.99


def test_every_task_has_its_config_and_no_task_is_in_two_groups():
    root = Path(__file__).resolve().parents[2]
    assert all((root / f'configs/openset/{config}.py').is_file() for config in tasks.TASKS.values())
    assert len(tasks.TASKS) == len(tasks.CHOICE) + len(tasks.TEST) + len(tasks.EGGS)
    assert {f'tasks/{x.stem}' for x in root.glob('configs/openset/tasks/*.py')} == {
        x for x in tasks.TASKS.values() if x.startswith('tasks/')
    }
