"""The host finds the sources of plugins without knowing a plugin."""

import sys

import pytest
from sabra_data_cases import error_of

import plugins
from detplug.cli.prepare_data import main
from detplug.cli.run import run
from detplug.data.prepare import Prepared, prepare
from detplug.data.sources import SOURCES, all_sources
from plugins.sabra.data_sources import SOURCES as RELATIONS


def test_relation_data_sets_are_among_the_sources():
    assert all_sources() == SOURCES | RELATIONS and list(RELATIONS) == ['hico-det', 'vcoco', 'vrd']


def test_help_lists_every_source(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    words = capsys.readouterr().out.replace(',', ' ').split()
    assert set(all_sources()) <= set(words)


def test_another_plugin_is_found_by_its_file(tmp_path, monkeypatch):
    for name, text in (('__init__', ''), ('data_sources', "SOURCES = {'mine': lambda src: None}")):
        (tmp_path / 'found_by_file').mkdir(exist_ok=True)
        (tmp_path / f'found_by_file/{name}.py').write_text(text)
    (tmp_path / 'without_sources').mkdir()
    (tmp_path / 'without_sources/__init__.py').write_text("raise RuntimeError('imported')")
    monkeypatch.setattr(plugins, '__path__', [*plugins.__path__, str(tmp_path)])
    assert list(all_sources()) == [*SOURCES, *RELATIONS, 'mine']
    for name in ('plugins.found_by_file', 'plugins.found_by_file.data_sources'):
        monkeypatch.delitem(sys.modules, name)


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
