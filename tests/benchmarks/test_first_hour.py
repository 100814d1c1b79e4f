"""The benchmark of the first hour types three commands, and they lead to a bundle."""

import sys
from pathlib import Path

from detplug.api.detector import Detector

BENCHMARKS = Path(__file__).resolve().parents[2] / 'benchmarks'


def test_three_commands_lead_to_a_bundle(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(BENCHMARKS), *sys.path])
    from first_hour import COMMANDS, PYTHON, first_hour

    figures = first_hour(tmp_path, '10', smoke=True)
    assert figures['commands'] == len(COMMANDS) <= 3 and figures['pictures'] == 8 and 0 <= figures['map50'] <= 1
    assert figures['python_lines'] <= 4
    compile(PYTHON.format(minutes=10), 'lines', 'exec')
    assert len(Detector(tmp_path / 'work' / 'onnx').predict(tmp_path / 'mine' / 'images' / 'test')) == 2
