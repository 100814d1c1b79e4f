"""The registry of compressors: names are checked in one line, and nothing appears in --out before all is written."""

import pytest

from detplug.compression import compressors
from detplug.compression.compressors import CompressRequest, compress, register_compressor
from detplug.errors import UserError
from detplug.named_parts import NamedParts


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(compressors, 'COMPRESSORS', NamedParts('--method ', 'compressor'))

    @register_compressor('toy', without_budget=lambda settings: settings.get('keep', ''))
    def toy(request, folder):
        (folder / 'manifest.json').write_text('{}')
        if request.model == 'broken':
            raise UserError('toy: broken')
        return {'size': 1.0}


def request_for(**changes) -> CompressRequest:
    return CompressRequest(**{'model': None, 'cfg': None, 'checkpoint': 'x', 'budget': 0.5, **changes})


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
        ('toy', dict(budget_kind='grams'), '--budget-kind grams'),
        ('toy', dict(budget=0.0), '--budget 0.0'),
        ('toy', dict(budget=1.5), '--budget 1.5'),
        ('toy', dict(budget=None), '--budget: missing'),
        ('toy', dict(settings=dict(keep='toy keeps all')), '--budget 0.5: toy keeps all; leave it out'),
    ],
)
def test_wrong_requests(registered, tmp_path, name, changes, words):
    with pytest.raises(UserError, match=words):
        compress(name, request_for(**changes), tmp_path / 'out')
    assert not list(tmp_path.iterdir())


def test_without_a_budget_where_the_settings_say_so(registered, tmp_path):
    request = request_for(budget=None, settings=dict(keep='toy keeps all'))
    assert compress('toy', request, tmp_path / 'out') == {'size': 1.0}


def test_a_name_is_taken_once(registered):
    with pytest.raises(KeyError, match="'toy' is registered already"):
        register_compressor('toy')(lambda request, folder: {})
