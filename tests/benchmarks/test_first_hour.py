"""The benchmark of the first hour types three commands, and they do what it says they do."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_it_types_three_commands_to_a_bundle():
    words = [sys.executable, 'benchmarks/first_hour.py', '--smoke']
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout[done.stdout.rindex('{') :])
    assert figures['commands'] <= 3 and figures['python_lines'] <= 4 and 0 <= figures['map50'] <= 1
    assert figures['pictures'] == 8
