"""Two processes train one open-set detector: the same student, teacher and thresholds in both."""

import json
from pathlib import Path

from tiny_open_set import CLASSES, write_set
from torchrun import run_two

from detplug.engine.history import read_history


def test_two_processes_agree(tmp_path):
    write_set(tmp_path)
    run_two(Path(__file__).with_name('two_processes_open_set.py'), tmp_path)
    first, second = (json.loads((tmp_path / f'rank_{rank}.json').read_text()) for rank in (0, 1))
    seen = first.pop('seen') + second.pop('seen')
    assert first == second
    assert all(first['crops']) and first['counts'][0] > 0  # those of the other process too
    rows = read_history(tmp_path / 'work' / 'openset.jsonl')
    assert len(rows) == 2 and sum(row[f'labelled/{name}'] for row in rows for name in CLASSES) == seen  # of both
    rows = read_history(tmp_path / 'work' / 'history.jsonl')
    assert [row['step'] for row in rows] == [1, 2, 3, 4, 4]
    assert any('unsup_loss_obj' in row for row in rows)
