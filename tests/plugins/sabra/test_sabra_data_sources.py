"""The host finds the sources of plugins without knowing a plugin."""

import pytest
from sabra_data_cases import error_of

from detplug.cli.prepare_data import main
from detplug.cli.run import run
from detplug.data.prepare import Prepared, prepare
from detplug.data.sources import SOURCES, all_sources
from plugins.sabra.data_sources import SOURCES as RELATIONS


def test_relation_data_sets_are_among_the_sources():
    assert list(all_sources().items())[: len(SOURCES)] == list(SOURCES.items())  # the host's first
    assert RELATIONS.items() <= all_sources().items() and list(RELATIONS) == ['hico-det', 'vcoco', 'vrd']


def test_help_lists_every_source(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    words = capsys.readouterr().out.replace(',', ' ').split()
    assert set(all_sources()) <= set(words)


@pytest.mark.parametrize('name', RELATIONS)
def test_a_folder_that_is_not_the_download_is_refused(name, tmp_path):
    assert 'not found' in error_of(main, [name, str(tmp_path), '--out', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()


def test_a_count_that_differs_from_the_stated_one_is_an_anomaly(tmp_path):
    out = prepare(lambda src: Prepared(official={'train images': 3}), tmp_path, tmp_path / 'out')
    assert out.anomalies == ['count differs from the official one: train images: 0 found, 3 stated']


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    assert run(main, ['vrd', str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and error.count('\n') == 1 and 'objects.json: not found' in error
