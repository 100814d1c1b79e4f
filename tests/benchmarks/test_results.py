"""What the READMEs say was measured: tables are made from the result files, which say how to repeat them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = sorted((ROOT / 'benchmarks' / 'results').glob('*.json'))


def test_tables_are_made_from_the_results():
    command = (sys.executable, 'benchmarks/tables.py', '--check')
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize('path', RESULTS, ids=lambda path: path.stem)
def test_a_result_says_how_to_repeat_it(path):
    result = json.loads(path.read_text())
    assert result.keys() == {'commit', 'date', 'machine', 'versions', 'command', 'seeds', 'figures'}
    assert re.fullmatch(r'[0-9a-f]{40}', result['commit']), 'measured on a commit, not on a changed tree'
    assert result['figures'] and all(isinstance(value, int | float) for value in result['figures'].values())
    script = re.search(r'benchmarks/\w+\.py', result['command'])[0]
    assert (ROOT / script).is_file()
