"""Tables of open-set runs: a dash for what a mode cannot have, one rule for all modes, the end of each log kept."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'benchmarks'))
import openset_modes  # noqa: E402
import tables  # noqa: E402


@pytest.fixture
def result(monkeypatch):
    """Set what ``read`` finds under a name."""
    files = {}
    monkeypatch.setattr(tables, 'read', lambda name: files.get(name, {}))
    return lambda name, figures: files.update({name: dict(figures=figures)})


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]


def test_a_mode_shows_a_dash_for_what_it_cannot_have(result):
    own = {'u_recall_1': 0.25, 'u_recall_1_std': 0.05, 'u_recall_0.2': 0.1, 'wi_r50': 0.0123, 'aose_r50': 7.25}
    figures = {'closed.known_map': 0.3, 'closed.aose_r50': 9.0, 'oodfc.known_map': 0.4}
    result('openset_malaria', figures | {f'oodfc.{key}': value for key, value in own.items()})
    head, _, closed, oodfc = cells(tables.modes_table('malaria', {}))
    rows = [dict(zip(head, row, strict=True)) for row in (closed, oodfc)]
    assert [row['mode'] for row in rows] == ['`closed`', '`oodfc`']
    assert rows[0]['U-Recall at 1'] == '-' and rows[1]['U-Recall at 1'] == '0.250 ± 0.050'
    assert rows[0]['A-OSE at recall .5'] == '9.0' and rows[1]['WI at recall .5'] == '0.0123'


def test_tasks_and_their_mean(result):
    result(
        'openset_tasks',
        {'ring.cce.known_map': 0.5, 'mean.cce_fused.u_recall_1': 0.4, 'mean.cce_fused.u_recall_0.2': 0.1},
    )
    head, _, *rows = cells(tables.tasks_table())
    assert [row[:2] for row in rows] == [['ring', '`cce`'], ['mean', '`cce_fused`']]
    assert rows[1][head.index('U-Recall at 1')] == '0.400' and rows[1][head.index('known mAP')] == '-'


def test_all_modes_of_an_ablation_have_the_same_options_but_for_the_mode():
    for name in ('malaria', 'bccd7'):
        settings = {mode: openset_modes.setting(name, mode) for mode in openset_modes.MODES}
        assert {config for config, _ in settings.values()} == {f'configs/openset/yolov5n_{name}.py'}
        assert all(options == [f'model.mode={mode}'] for mode, (_, options) in settings.items())


def test_the_last_rows_of_the_log_are_kept(tmp_path):
    assert openset_modes.last_rows(tmp_path) == []
    rows = [dict(step=step, loss=0.5) for step in (50, 100, 150)]
    (tmp_path / 'openset.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    assert openset_modes.last_rows(tmp_path) == rows[1:]


def test_keys_of_the_metric_become_keys_of_the_result():
    assert openset_modes.renamed('map') == 'known_map' and openset_modes.renamed('map_std') == 'known_map_std'
    assert openset_modes.renamed('ap/red blood cell_std') == 'red_blood_cell_ap_std'
    assert openset_modes.renamed('u_recall_0.2') == 'u_recall_0.2'
