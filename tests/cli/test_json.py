"""``detplug --json COMMAND``: one JSON object on stdout, whatever the command prints; errors are in it too."""

import json

import numpy as np
import pytest
from tiny_bundle import write_bundle, write_pictures

from detplug.cli.main import main
from detplug.outcome import plain


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / 'bundle')


def outcome(capsys, *words: str) -> tuple[int, dict, str]:
    """Exit status, the object, and what went to stderr."""
    status = main(['--json', *map(str, words)])
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    return status, json.loads(printed.out), printed.err


def test_predict(bundle, tmp_path, capsys):
    pictures = write_pictures(tmp_path / 'pictures')
    status, found, err = outcome(capsys, 'predict', bundle, *pictures, '--out', tmp_path / 'out')
    assert status == 0 and found == dict(status=0, out=str(tmp_path / 'out'), pictures=2, failed=0, boxes=4)
    assert '4 boxes in 2 pictures' in err


def test_a_wrong_input_is_in_the_object(tmp_path, capsys):
    status, found, err = outcome(capsys, 'predict', tmp_path / 'gone', 'a.png', '--out', tmp_path / 'out')
    assert status == found['status'] == 2 and 'not found' in found['error'] and f'error: {found["error"]}' in err


def test_nothing_of_the_command_before_is_left(bundle, tmp_path, capsys):
    outcome(capsys, 'predict', tmp_path / 'gone', 'a.png', '--out', tmp_path / 'out')
    _, found, _ = outcome(capsys, 'benchmark', bundle, '--seconds', '0.01')
    assert found.keys() == {'status', 'figures'} and found['figures']['network_ms'] > 0


def test_commands_of_plugins_too(bundle, tmp_path, capsys):
    pictures = write_pictures(tmp_path / 'pictures')
    main(['predict', str(bundle), *map(str, pictures), '--out', str(tmp_path / 'out')])
    capsys.readouterr()
    _, found, _ = outcome(capsys, 'count', tmp_path / 'out', '--by', 'folder')
    (counts,) = found['groups'].values()
    assert counts.keys() == {'egg', 'Würmer'} and sum(counts.values()) == 4


def test_without_it_nothing_changes(bundle, capsys):
    assert main(['benchmark', str(bundle), '--seconds', '0.01']) == 0
    assert 'pictures a second' in capsys.readouterr().out


def test_what_json_cannot_say():
    given = dict(a=float('nan'), b=np.float32(0.5), c=(np.int64(3), None), d={1: True})
    assert plain(given) == dict(a=None, b=0.5, c=[3, None], d={'1': True})
