"""benchmarks/fpga_accuracy.py: which runs there are and what their rows say; nothing is trained."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'benchmarks'))
import fpga_accuracy as benchmark  # noqa: E402


def test_losses_are_of_the_same_seed():
    maps = {
        ('silu.dense.float', 0): 0.6, ('silu.dense.float', 1): 0.62, ('silu.tt4x.float', 0): 0.59,
        ('silu.tt4x_rebuild.ptq', 0): 0.58, ('silu.tt4x_rebuild.ptq', 1): 0.6,
    }  # fmt: skip
    figures = benchmark.figures_of([dict(run=run, seed=seed, map=value) for (run, seed), value in maps.items()])
    assert figures['silu.tt4x_rebuild.ptq.end_to_end'] == pytest.approx(0.02)
    assert figures['silu.tt4x_rebuild.ptq.map'] == pytest.approx(0.59) and figures['silu.tt4x_rebuild.ptq.seeds'] == 2
    assert figures['silu.tt4x.float.end_to_end'] == pytest.approx(0.01)
    assert 'silu.tt4x_rebuild.ptq.loss' not in figures  # one seed has no float detector
    assert not any(name.startswith('silu.dense.float.loss') for name in figures)


def test_a_run_that_has_its_row_is_not_repeated(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(benchmark, 'RESULTS', tmp_path)
    monkeypatch.setattr(benchmark, 'detector', lambda *run: ('config', Path('x.pth')))
    monkeypatch.setattr(benchmark, 'test_checkpoint', lambda *words: made.append(words) or {'map': 0.5})
    chosen = benchmark.runs(['silu'], ['float', 'ptq'])
    assert len(chosen) == 5  # the rebuilt one has no float detector of its own
    for seeds in ([0], [0, 1]):
        rows = benchmark.measured(chosen, seeds)
        assert len(rows) == 5 * len(seeds) == len(made)
    assert {json.loads(line)['seed'] for line in (tmp_path / 'fpga_accuracy_runs.jsonl').read_text().splitlines()} == {
        0,
        1,
    }
