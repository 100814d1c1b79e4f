"""A bundle appears whole or not at all."""

import pytest

from detplug.errors import UserError
from detplug.export.bundle import staging


def files(folder):
    return sorted(x.name for x in folder.iterdir())


def test_the_folder_appears_at_the_end_and_leaves_nothing_beside(tmp_path):
    out = tmp_path / 'deep' / 'bundle'
    with staging(out) as folder:
        (folder / 'manifest.json').write_text('{}')
        assert not out.exists() and folder.parent.parent == out.parent
    assert files(out) == ['manifest.json'] and files(out.parent) == ['bundle']


def test_an_exception_leaves_the_earlier_bundle(tmp_path):
    out = tmp_path / 'bundle'
    for text in ('first', None):
        try:
            with staging(out) as folder:
                (folder / 'manifest.json').write_text(text or 'second')
                if text is None:
                    raise RuntimeError
        except RuntimeError:
            pass
    assert (out / 'manifest.json').read_text() == 'first' and files(tmp_path) == ['bundle']


def test_an_earlier_bundle_is_replaced_as_a_whole(tmp_path):
    for name in ('old.bin', 'new.bin'):
        with staging(tmp_path / 'bundle') as folder:
            (folder / 'manifest.json').touch()
            (folder / name).touch()
    assert files(tmp_path / 'bundle') == ['manifest.json', 'new.bin'] and files(tmp_path) == ['bundle']


@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_what_is_no_bundle_is_never_replaced(tmp_path, kind):
    out = tmp_path / 'mine'
    if kind == 'file':
        out.write_text('mine')
    else:
        out.mkdir()
        (out / 'thesis.tex').touch()
    with pytest.raises(UserError, match='not an exported bundle'), staging(out):
        pass
    assert out.exists() and files(tmp_path) == ['mine']
