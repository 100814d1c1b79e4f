"""ranks.csv: what was written is read; a wrong file is one line."""

import pytest

from detplug.errors import UserError
from plugins.tensor_train.ranks_file import read_ranks, write_ranks


def test_what_was_written_is_read(tmp_path):
    rows = [
        dict(layer='a.conv', ranks='3 4', score=''),
        dict(layer='b', ranks='', score='1'),
        dict(layer='c', ranks='7', score=''),
    ]
    write_ranks(tmp_path / 'ranks.csv', rows)
    assert read_ranks(tmp_path / 'ranks.csv') == {'a.conv': (3, 4), 'c': (7,)}


def test_no_layer(tmp_path):
    write_ranks(tmp_path / 'ranks.csv', [])
    assert read_ranks(tmp_path / 'ranks.csv') == {}


@pytest.mark.parametrize(
    'text, words',
    [
        ('layer,rank\na,3\n', "line 2: columns 'layer' and 'ranks'"),
        ('layer,ranks\na,3.5\n', "line 2: ranks: '3.5'"),
        ('layer,ranks\na,3\na,4\n', 'line 3: layer: a is there twice'),
        ('layer,ranks\na\n', "line 2: columns 'layer' and 'ranks'"),
    ],
)
def test_wrong_files(tmp_path, text, words):
    (tmp_path / 'ranks.csv').write_text(text)
    with pytest.raises(UserError, match=words):
        read_ranks(tmp_path / 'ranks.csv')


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match='ranks.csv: does not open'):
        read_ranks(tmp_path / 'ranks.csv')
