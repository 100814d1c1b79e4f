"""The commands of the first hour work; the last one, the export, is tested in tests/api."""

import sys
from pathlib import Path

from detplug.api.detector import Detector

BENCHMARKS = Path(__file__).resolve().parents[2] / 'benchmarks'


def test_the_commands_train_and_evaluate(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(BENCHMARKS), *sys.path])
    from first_hour import COMMANDS, PYTHON, first_hour

    figures = first_hour(tmp_path, '10', smoke=True)
    assert figures['commands'] == len(COMMANDS) <= 3 and figures['pictures'] == 8 and 0 <= figures['map50'] <= 1
    assert figures['python_lines'] <= 4
    compile(PYTHON.format(minutes=10), 'lines', 'exec')
    assert len(Detector(tmp_path / 'work').predict(tmp_path / 'mine' / 'images' / 'test')) == 2
    assert COMMANDS[-1].startswith('detplug export work/config.py work/best.pth')
