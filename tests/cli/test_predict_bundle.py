"""``predict BUNDLE`` writes the files of ``predict CONFIG CHECKPOINT`` without torch; the form is never guessed."""

import json
import shutil

import cv2
import numpy as np
import pytest
from tiny_bundle import AGES, BOXES, write_bundle, write_pictures

from detplug.cli import predict
from detplug.cli.main import main
from detplug.runtime import result_field
from detplug.runtime.bundle import sha256
from detplug.runtime.result_field import ResultField
from detplug.runtime.tables import read_table


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / 'bundle')


@pytest.fixture
def pictures(tmp_path):
    return [str(path) for path in write_pictures(tmp_path / 'pictures')]


@pytest.fixture(autouse=True)
def fresh_fields():
    yield
    result_field.result_fields.cache_clear()


def wrong(argv, capsys, *words):
    """The command ends with status 2 and one line that holds ``words``."""
    assert main(['predict', *map(str, argv)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith('error: '), lines
    for word in words:
        assert str(word) in lines[0]


def test_boxes_of_every_picture_are_drawn_and_written_in_pixels_of_the_picture(bundle, pictures, tmp_path, capsys):
    out = tmp_path / 'out'
    assert main(['predict', str(bundle), *pictures, '--out', str(out)]) == 0
    rows = json.loads((out / 'predictions.json').read_text())
    assert [row['file_name'] for row in rows] == [pictures[0]] * 3 + [pictures[1]]
    x1, y1, x2, y2 = (2 * value for value in BOXES[0])  # the picture is 64 high, its letterbox 32
    assert rows[0] == dict(
        image_id=1,
        file_name=pictures[0],
        category_id=1,
        category_name='egg',
        bbox=[x1, y1, x2 - x1, y2 - y1],
        score=0.9,
    )
    assert sorted(path.name for path in (out / 'pictures').iterdir()) == ['0001_bright.jpg', '0002_dark.jpg']
    drawn = cv2.imread(str(out / 'pictures' / '0001_bright.jpg')).astype(int)
    assert np.abs(drawn - cv2.imread(pictures[0])).max() > 60
    assert 'age: neither drawn nor written' in capsys.readouterr().out  # no plugin here draws it


@pytest.mark.parametrize(('threshold', 'count'), [('0', 6), ('0.6', 2), ('1', 0)])
def test_the_threshold_is_the_lowest_score_that_is_kept(bundle, pictures, tmp_path, threshold, count):
    assert main(['predict', str(bundle), *pictures, '--out', str(tmp_path / 'o'), '--score-thr', threshold]) == 0
    rows = json.loads((tmp_path / 'o' / 'predictions.json').read_text())
    assert len(rows) == count and all(row['score'] >= float(threshold) for row in rows)


def test_a_field_with_a_drawer_is_drawn_and_has_a_column(bundle, pictures, tmp_path, monkeypatch):
    def tint(picture, found, values):
        assert found.names and len(found) == len(values)
        picture[-4:] = (0, 0, 255)

    fields = {'age': ResultField(tint, result_field.numbers)}
    result_field.result_fields.cache_clear()
    monkeypatch.setattr(result_field, 'plugin_table', lambda *words: fields)
    assert main(['predict', str(bundle), pictures[0], '--out', str(tmp_path / 'o')]) == 0
    assert [row['age'] for row in json.loads((tmp_path / 'o' / 'predictions.json').read_text())] == AGES
    picture = cv2.imread(str(tmp_path / 'o' / 'pictures' / '0001_bright.jpg'))
    assert (np.abs(picture[-3:].astype(int) - (0, 0, 255)).mean()) < 40


def test_what_is_no_bundle_is_one_line(bundle, pictures, tmp_path, capsys):
    end = [*pictures, '--out', tmp_path / 'out']
    wrong([tmp_path / 'gone', *end], capsys, 'gone', 'neither the folder of a bundle nor a config')
    wrong([tmp_path / 'pictures', *end], capsys, 'no manifest.json')
    for name in ('model.onnx', 'manifest.json'):
        wrong([bundle / name, *end], capsys, name, f'give {bundle}')
    config = tmp_path / 'config.py'
    config.write_text('')
    wrong([config, pictures[0], '--out', tmp_path / 'out'], capsys, 'config.py', 'a checkpoint and pictures')
    wrong([bundle, *end, '--cfg-options', 'a=1'], capsys, '--cfg-options', 'bundle')
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('change', ['not a model', 'no letterbox'])
def test_a_bundle_that_onnxruntime_does_not_run_is_one_line(bundle, pictures, tmp_path, capsys, change):
    manifest = json.loads((bundle / 'manifest.json').read_text())
    if change == 'no letterbox':
        del manifest['letterbox']
    else:
        (bundle / 'model.onnx').write_bytes(b'rubbish')
        manifest['format'] = 'qonnx'
        manifest['model']['sha256'] = sha256(bundle / 'model.onnx')
    (bundle / 'manifest.json').write_text(json.dumps(manifest))
    words = ['manifest'] if change == 'no letterbox' else ['qonnx', 'onnxruntime', '--format onnx']
    wrong([bundle, *pictures, '--out', tmp_path / 'out'], capsys, *words)


def test_a_broken_picture_is_listed_and_ends_nothing(bundle, pictures, tmp_path, capsys):
    broken = tmp_path / 'a.png'
    broken.write_bytes(b'rubbish')
    out = tmp_path / 'out'
    assert main(['predict', str(bundle), str(broken), *pictures, '--out', str(out)]) == 0
    assert {row['file_name'] for row in json.loads((out / 'predictions.json').read_text())} == set(pictures)
    errors = read_table(out / 'errors.parquet')
    assert errors['file_name'] == [str(broken)] and 'a.png' in errors['error'][0]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and 'a.png' in lines[0] and '1 of 3 pictures' in lines[1]


def test_the_exit_status_is_2_where_no_picture_could_be_used_or_with_strict(bundle, pictures, tmp_path, capsys):
    broken = tmp_path / 'a.png'
    broken.write_bytes(b'rubbish')
    assert main(['predict', str(bundle), str(broken), '--out', str(tmp_path / 'one')]) == 2
    assert json.loads((tmp_path / 'one' / 'predictions.json').read_text()) == []
    assert main(['predict', str(bundle), str(broken), *pictures, '--out', str(tmp_path / 'two'), '--strict']) == 2
    assert len(json.loads((tmp_path / 'two' / 'predictions.json').read_text())) == 4


def test_a_config_of_the_package_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(write_bundle(tmp_path / 'b'), tmp_path / 'yolov5')
    assert predict.is_bundle('yolov5') and not predict.is_bundle('detplug::yolov5/yolov5n_bccd.py')
