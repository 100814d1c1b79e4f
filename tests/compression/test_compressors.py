"""The registry of compressors: names are checked in one line, and nothing appears in --out before all is written."""

import pytest

from detplug.compression import compressors
from detplug.compression.compressors import CompressRequest, compress, register_compressor, register_selector
from detplug.errors import UserError
from detplug.named_parts import NamedParts


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(compressors, 'COMPRESSORS', NamedParts('--method ', 'compressor'))
    monkeypatch.setattr(compressors, 'SELECTORS', NamedParts('--ranks ', 'rank selector'))

    @register_compressor('toy')
    def toy(request, folder):
        (folder / 'manifest.json').write_text('{}')
        if request.model == 'broken':
            raise UserError('toy: broken')
        return {'size': 1.0}

    @register_selector('even')
    class Even:
        pass


def request_for(**changes) -> CompressRequest:
    return CompressRequest(**{'model': None, 'cfg': None, 'checkpoint': 'x', 'budget': 0.5, 'ranks': 'even', **changes})


def test_the_folder_appears_with_the_facts(registered, tmp_path):
    assert compress('toy', request_for(), tmp_path / 'out') == {'size': 1.0}
    assert (tmp_path / 'out' / 'manifest.json').exists()


def test_a_failure_leaves_nothing(registered, tmp_path):
    with pytest.raises(UserError, match='broken'):
        compress('toy', request_for(model='broken'), tmp_path / 'out')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'name, changes, words',
    [
        ('other', {}, '--method other: no such compressor; one of toy'),
        ('toy', dict(ranks='odd'), '--ranks odd: no such rank selector; one of even'),
        ('toy', dict(budget_kind='grams'), '--budget-kind grams'),
        ('toy', dict(budget=0.0), '--budget 0.0'),
        ('toy', dict(budget=1.5), '--budget 1.5'),
        ('toy', dict(budget=None), '--budget: missing'),
        ('toy', dict(ranks='own.csv'), '--budget 0.5: own.csv gives every rank; leave it out'),
    ],
)
def test_wrong_requests(registered, tmp_path, name, changes, words):
    with pytest.raises(UserError, match=words):
        compress(name, request_for(**changes), tmp_path / 'out')
    assert not list(tmp_path.iterdir())


def test_a_name_is_taken_once(registered):
    with pytest.raises(KeyError, match="'toy' is registered already"):
        register_compressor('toy')(lambda request, folder: {})
