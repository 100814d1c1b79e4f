"""Importing the benchmarks' tables changes nothing of the process: other tests run in it."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / 'benchmarks'
CHILD = (
    'import os\nbefore = dict(os.environ)\nimport tables\nprint(sorted(set(os.environ.items()) - set(before.items())))'
)


def test_tables_leave_the_environment_alone():
    environment = {name: value for name, value in os.environ.items() if name != 'DETPLUG_DATA'}
    done = subprocess.run(
        [sys.executable, '-c', CHILD], cwd=BENCHMARKS, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == ['[]'], done.stdout + done.stderr
