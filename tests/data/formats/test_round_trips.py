"""A data set through each pair of formats and back is the same data set."""

from itertools import permutations
from pathlib import Path

import pytest
from random_sets import difference, random_set

from detplug.data.formats.convert import convert
from detplug.data.formats.formats import FORMATS, read_set
from detplug.data.prepare import Prepared, prepare

WRITTEN = [name for name, entry in FORMATS.items() if entry.write is not None]


def write(annotations, name: str, folder: Path) -> Path:
    out = FORMATS[name].write(annotations)
    prepare(lambda _: Prepared(out.texts, out.links), folder.parent, folder)
    return folder


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize(('first', 'second'), list(permutations(WRITTEN, 2)))
def test_names_boxes_splits_and_files_survive(first, second, seed, tmp_path):
    annotations = random_set(tmp_path / 'images', seed)
    a = write(annotations, first, tmp_path / 'a')
    form, done = convert(a, tmp_path / 'b', second)
    assert form == first
    assert convert(tmp_path / 'b', tmp_path / 'c', first)[0] == second
    form, back = read_set(tmp_path / 'c')
    assert form == first and difference(annotations, back) <= 0.01
    assert all(split.path(record) for split in back.splits for record in split.records)  # the images came along
    assert (tmp_path / 'b' / 'anomalies.txt').read_text() == ''.join(f'{line}\n' for line in done.anomalies)
    assert done.anomalies == []
