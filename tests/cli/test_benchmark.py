"""``benchmark BUNDLE``: figures of a bundle without torch, as a table or as json."""

import json
import time

import pytest
from tiny_bundle import SIDE, write_bundle, write_pictures

from detplug.cli.benchmark import clock, measure
from detplug.cli.main import main
from detplug.runtime.bundle import Detector


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / 'bundle')


def test_figures_as_json(bundle, tmp_path, capsys):
    pictures = [str(path) for path in write_pictures(tmp_path / 'pictures')]
    assert main(['benchmark', str(bundle), *pictures, '--seconds', '0.05', '--threads', '1', '--json']) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures['pictures'] == 2 and figures['threads'] == 1 and figures['input'] == f'{SIDE}x{SIDE}'
    assert 0 < figures['network_ms'] <= figures['network_ms_p95'] and figures['picture_ms'] > figures['network_ms']
    assert figures['pictures_per_second'] > 0 and figures['peak_memory_mb'] > 10 and figures['provider'].startswith('C')


def test_a_slow_network_is_seen(bundle, monkeypatch):
    run = Detector.run
    monkeypatch.setattr(Detector, 'run', lambda self, batch: (time.sleep(0.02), run(self, batch))[1])
    figures = measure(bundle, [], 0.1, threads=1)
    assert 20 < figures['network_ms'] < 80 and figures['picture_ms'] > 20 and figures['pictures_per_second'] < 50


def test_a_table_for_people(bundle, capsys):
    assert main(['benchmark', str(bundle), '--seconds', '0.01']) == 0
    out = capsys.readouterr().out
    assert 'a picture of noise' in out and 'pictures a second' in out and 'CPUExecutionProvider' in out


def test_three_calls_at_least():
    assert len(clock(lambda turn: time.sleep(0.01), 1e-6)) == 3


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        (['--seconds', '0'], '--seconds 0: not above 0'),
        (['--threads', '0'], '--threads 0: not 1 or more'),
        (['none.png'], 'none.png'),
    ],
)
def test_wrong_input_is_one_line(bundle, capsys, words, line):
    assert main(['benchmark', str(bundle), '--seconds', '0.01', *words]) == 2
    err = capsys.readouterr().err
    assert line in err and len(err.splitlines()) == 1
