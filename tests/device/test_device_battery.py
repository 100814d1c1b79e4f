"""Every family trains, resumes, evaluates, predicts, exports and is compressed on an accelerator.

Without one it is pretend_accelerator.py; `pytest tests/device --device cuda` runs the same on a GPU.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from device_cases import every_case, one_of_each

HERE = Path(__file__).parent
ALLOWED = json.loads((HERE / 'allowed_synchronisations.json').read_text())


def pytest_generate_tests(metafunc):
    if 'stage' in metafunc.fixturenames:
        cases = every_case() if metafunc.config.getoption('--all-configs', False) else one_of_each()
        metafunc.parametrize(('case', 'stage'), [(x.name, stage) for x in cases for stage in x.stages])


@pytest.fixture(scope='module')
def rows(request, tmp_path_factory) -> list[dict]:
    """Results of all stages, of one process on the device."""
    folder = tmp_path_factory.mktemp('battery')
    device = request.config.getoption('--device', 'pretend')
    more = ['--all'] if request.config.getoption('--all-configs', False) else []
    command = [sys.executable, str(HERE / 'battery.py'), device, str(folder / 'runs'), str(folder / 'out.json'), *more]
    with (folder / 'log.txt').open('w') as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT)
    assert done.returncode == 0, (folder / 'log.txt').read_text()[-3000:]
    return json.loads((folder / 'out.json').read_text())


def test_stage(rows, case, stage):
    found = [row for row in rows if (row['case'], row['stage']) == (case, stage)]
    assert found, 'not run: the training failed'
    assert found[0]['error'] is None


def test_every_synchronisation_has_a_reason(rows):
    new = {kind for row in rows for kind in row.get('kinds', ()) if kind not in ALLOWED}
    assert not new, 'avoid them, or give a reason in allowed_synchronisations.json'


def test_every_reason_is_of_a_synchronisation(request, rows):
    if not request.config.getoption('--all-configs', False):
        pytest.skip('only --all-configs meets all of them')
    kinds = {kind for row in rows for kind in row.get('kinds', ())}
    assert ALLOWED.keys() <= kinds, 'no longer there: take them out of allowed_synchronisations.json'
