"""Compressors before their plugins are imported: one line of help each, and one that is done by itself."""

import pytest

from detplug.compression import methods
from detplug.compression.methods import Method, default_method, methods_text
from detplug.errors import UserError


def plugins_with(monkeypatch, **table: Method) -> None:
    monkeypatch.setattr(methods, 'plugin_table', lambda *_: table)


def test_the_one_that_says_so_is_done_by_itself(monkeypatch):
    plugins_with(monkeypatch, small=Method('half of it'), less=Method('50 % less', default=True))
    assert default_method() == 'less'
    assert methods_text() % () == 'compressor of a plugin, by default less. small: half of it; less: 50 % less'


def test_a_name_is_asked_for_where_none_says_so(monkeypatch):
    plugins_with(monkeypatch, small=Method('half of it'))
    with pytest.raises(UserError, match='--method: missing; name a compressor, one of small'):
        default_method()


def test_ours():
    assert default_method() == 'tensor_train' and 'fpga: int8' in methods_text()
