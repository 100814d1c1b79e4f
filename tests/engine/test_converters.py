"""Laws: a converter is called by its name; a name stands for one function."""

from pathlib import Path

import pytest

from detplug.engine import converters
from detplug.errors import UserError
from detplug.named_parts import NamedParts


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(converters, 'CONVERTERS', NamedParts('', 'converter'))


def test_call_by_name(registry, tmp_path):
    @converters.register('copy')
    def copy(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())

    (tmp_path / 'a').write_bytes(b'1')
    converters.convert('copy', tmp_path / 'a', tmp_path / 'b')
    assert (tmp_path / 'b').read_bytes() == b'1'
    with pytest.raises(UserError, match='missing: weights not found'):
        converters.convert('copy', tmp_path / 'missing', tmp_path / 'b')
    with pytest.raises(UserError, match='other: no such converter; one of copy'):
        converters.convert('other', tmp_path / 'a', tmp_path / 'b')
    with pytest.raises(KeyError, match='copy'):
        converters.register('copy')(lambda source, target: None)
