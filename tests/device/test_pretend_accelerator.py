"""The pretend accelerator refuses what CUDA refuses, allows what CUDA allows, and computes what the CPU computes."""

import json
import subprocess
import sys
from pathlib import Path

import pretend_checks
import pytest


@pytest.fixture(scope='module')
def devices() -> dict[str, str | None]:
    """Results of all checks, of one process in which the device is installed."""
    script = Path(__file__).with_name('pretend_checks.py')
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize('name', pretend_checks.names())
def test_it_is_like_a_real_one(devices, name):
    assert devices[name] is None
