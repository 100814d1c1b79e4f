"""Laws of writing a folder of generated data: only our own data is ever replaced."""

import json
from functools import partial

import pytest

from detplug.errors import UserError
from plugins.samples.folder import MANIFEST, checked_settings, write_folder

SETTINGS = {'generator': 'one', 'seed': 1}


def fill(folder, text='data'):
    (folder / 'images').mkdir()
    (folder / 'images' / 'a.txt').write_text(text)
    return {'facts': 3}


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob('*') if p.is_file()}


@pytest.fixture
def written(tmp_path):
    return write_folder(tmp_path / 'data', SETTINGS, fill)


def test_the_manifest_has_settings_facts_and_checksums(written):
    manifest = json.loads((written / MANIFEST).read_text())
    assert manifest['generator'] == 'one' and manifest['facts'] == 3 and list(manifest['sha256']) == ['images/a.txt']


def test_other_settings_replace_and_equal_ones_do_not(written):
    write_folder(written, SETTINGS, partial(fill, text='never'))
    assert content(written)['images/a.txt'] == 'data'
    write_folder(written, {**SETTINGS, 'seed': 2}, partial(fill, text='new'))
    assert content(written)['images/a.txt'] == 'new'


@pytest.mark.parametrize('damage', ['{', '[]', json.dumps({'generator': 'two'}), json.dumps({'classes': ['a']})])
def test_a_manifest_of_somebody_else_or_a_broken_one_beside_other_files_is_refused(written, damage):
    (written / MANIFEST).write_text(damage)
    (written / 'model.onnx').write_text('weights')
    before = content(written)
    with pytest.raises(UserError, match='not sample data') as error:
        write_folder(written, SETTINGS, fill)
    assert '\n' not in str(error.value) and content(written) == before


def test_a_broken_manifest_beside_nothing_else_is_damage(written):
    before = content(written)
    (written / MANIFEST).write_text('{"generator": "o')
    write_folder(written, SETTINGS, fill)
    assert content(written) == before


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / 'data').write_text('a letter')
    with pytest.raises(UserError, match='not sample data'):
        write_folder(tmp_path / 'data', SETTINGS, fill)


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_folder(tmp_path / 'data', SETTINGS, lambda folder: 1 / 0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'settings',
    [(-1, None, 320), (0, {}, 320), (0, {'dev': 1}, 320), (0, {'train': 0}, 320), (0, None, 63), (0.5, None, 64)],
)
def test_settings_out_of_range(settings):
    with pytest.raises(UserError):
        checked_settings(*settings, {'train': 5})
    assert checked_settings(0, None, 64, {'train': 5}) == {'seed': 0, 'size': 64, 'counts': {'train': 5}}
