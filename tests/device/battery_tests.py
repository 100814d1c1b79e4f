"""The tests of a file of families: a module of tests imports them, and its ``FAMILIES`` says whose they are.

Without an accelerator the device is pretend_accelerator.py; `pytest tests/device --device cuda` runs the same on a GPU.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / 'allowed_synchronisations.json').read_text())


def options(config: pytest.Config) -> tuple[str, bool]:
    """Device and whether all configs are run; pytest knows the options where tests/device is on its command line."""
    return config.getoption('--device', 'pretend'), config.getoption('--all-configs', False)


@pytest.fixture(scope='module')
def rows(request, tmp_path_factory) -> list[dict]:
    """Results of all stages, of one process on the device."""
    folder = tmp_path_factory.mktemp('battery')
    device, every = options(request.config)
    more = ['--all'] if every else []
    command = [sys.executable, str(HERE / 'battery.py'), device, str(folder / 'runs'), str(folder / 'out.json'), *more]
    with (folder / 'log.txt').open('w') as log:
        done = subprocess.run([*command, '--only', *request.module.FAMILIES], stdout=log, stderr=subprocess.STDOUT)
    assert done.returncode == 0, (folder / 'log.txt').read_text()[-3000:]
    return json.loads((folder / 'out.json').read_text())


def test_stage(rows, case, stage):
    found = [row for row in rows if (row['case'], row['stage']) == (case, stage)]
    assert found, 'not run: the training failed'
    assert found[0]['error'] is None


def test_every_synchronisation_has_a_reason(rows):
    new = {kind for row in rows for kind in row.get('kinds', ()) if not RECORDED['reasons'].get(kind)}
    assert not new, f'{new}: avoid them, or give a reason in allowed_synchronisations.json'


def test_no_step_waits_more_often_than_recorded(rows):
    """Above 100, 1 % more may be: SoftTeacher waits once a pseudo-label, 804 or 805 times by rounding."""
    more = {}
    for row in rows:
        name = f'{row["case"]}: {row["stage"]}'
        if 'syncs_per_step' in row and row['syncs_per_step'] > int(1.01 * RECORDED['per_step'].get(name, -1)):
            more[name] = row['syncs_per_step']
    assert not more, f'{more}: avoid them; tests/device/record_synchronisations.py OUT.json records what is right'
