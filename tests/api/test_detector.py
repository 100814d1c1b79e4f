"""``from detplug import Detector``: the commands in Python, with exceptions in the place of exit statuses."""

import inspect
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_bundle import write_bundle, write_pictures
from yolo_set import write_yolo

from detplug import Detector
from detplug.api.errors import one_line_errors
from detplug.errors import ImageError, UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_yolo(tmp_path_factory.mktemp('data') / 'yolo')


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory) -> Detector:
    folder = tmp_path_factory.mktemp('work')
    detector = Detector('yolov5n', device='cpu')
    assert detector.train(data, steps=2, batch=2, unknown='taenia', work_dir=folder) is detector
    return detector


def test_a_detector_is_evaluated(trained):
    figures = trained.test()
    assert 0 <= figures['map'] <= 1 and 'unknown_objects' in figures and figures.report.is_file()
    assert '<td>map50</td>' in figures._repr_html_() and 'map50' in repr(figures)


def test_pictures_are_predicted_by_path_folder_and_array(trained, data):
    folder = data.parent / 'images' / 'test'
    path = sorted(folder.iterdir())[0]
    results = trained.predict(folder, score_thr=0)
    assert len(results) == 2 and results[0].name == str(path)
    one = results[0]
    assert one.boxes.shape == (len(one), 4) and len(one.names) == len(one.scores) == len(one) > 0
    assert set(one.names) <= set(trained.names) and 'taenia' not in trained.names and len(trained.names) == 9
    array = trained.predict([cv2.imread(str(path))], score_thr=0)
    np.testing.assert_allclose(array[0].boxes, one.boxes, atol=1e-3)
    assert array[0].name == 'array 0'
    kept = trained.predict(path, score_thr=float(one.scores[0]))
    assert len(kept[0]) >= 1 and kept[0].scores.min() >= one.scores[0]


def test_a_notebook_shows_results(trained, data, tmp_path):
    results = trained.predict(data.parent / 'images' / 'test', score_thr=0)
    html = results._repr_html_()
    assert html.count('<img') == 2 and 'data:image/png;base64,' in html
    png = cv2.imdecode(np.frombuffer(results[0]._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    assert png.shape == results[0].image.shape and (png != results[0].image).any(), 'with boxes'
    assert results[0].save(tmp_path / 'a.png').is_file() and 'test_0000.jpg: ' in repr(results)
    with pytest.raises(UserError, match='cannot be written'):
        results[0].save(tmp_path / 'none' / 'a.png')


def test_one_bad_file_does_not_end_a_prediction(trained, data, tmp_path):
    bad = tmp_path / 'bad.jpg'
    bad.write_bytes(b'no picture')
    results = trained.predict([bad, *sorted((data.parent / 'images' / 'val').iterdir())])
    assert len(results) == 2 and len(results.errors) == 1 and 'bad.jpg' in results.errors[0]
    assert 'not read: ' in results._repr_html_() and 'not read: ' in repr(results)
    with pytest.raises(ImageError, match='bad.jpg'):
        trained.predict(bad)


def test_files_are_opened_again_and_a_bundle_finds_the_same(trained, data):
    picture = sorted((data.parent / 'images' / 'test').iterdir())[0]
    expected = trained.predict(picture, score_thr=0)[0]
    folder = trained.checkpoint.parent
    bundle = trained.export('onnx')
    assert bundle.bundle == folder / 'onnx'
    for again in (Detector(folder), Detector(trained.checkpoint)):
        found = again.predict(picture, score_thr=0)[0]
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
        assert found.names == expected.names
    for again in (bundle, Detector(str(bundle.bundle))):  # after two steps many scores are nearly the same
        found = again.predict(picture, score_thr=0)[0]
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        assert Counter(found.names) == Counter(expected.names)
    for wrong in (bundle.test, bundle.export, lambda: bundle.train(data)):
        with pytest.raises(UserError, match='onnx'):
            wrong()


@pytest.mark.parametrize(
    ('wrong', 'line'),
    [
        (lambda: Detector('yolo9'), 'yolo9: neither a file, a folder nor a model; models: rtmdet-tiny'),
        (lambda: Detector(ROOT / 'docs'), 'docs: neither manifest.json of a bundle nor best.pth of a training'),
        (lambda: Detector(ROOT / 'LICENSE'), 'config.py: not found; give config='),
        (lambda: Detector('yolov5n').predict('a.jpg'), 'yolov5n: not trained yet'),
        (lambda: Detector('yolov5n').test(), 'yolov5n: not trained yet'),
        (lambda: Detector('yolov5n').train('nowhere.yaml'), 'nowhere.yaml: not found'),
        (lambda: Detector('yolov5n').train('nowhere.yaml', steps=1), '--steps 1: not a whole number from 2 on'),
        (
            lambda: Detector('yolov5n', device='tpu').train(ROOT / 'docs', speed=3),
            r'speed: no such option of a training; did you mean seed\? further options are weights, images',
        ),
        (lambda: Detector('yolov5n').train('x', weight='coco'), r'did you mean weights\?'),
        (lambda: Detector('yolov5n').train('x', log_to='paper'), '--log-to paper: not known; one of tensorboard'),
        (lambda: Detector('yolov5n').train('x', device='cpu'), r'give it before, Detector\("yolov5n", device=...\)'),
    ],
)
def test_wrong_input_is_an_exception_with_the_line_of_the_command(wrong, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=line):
        wrong()
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_and_wrong_arguments_are_exceptions(trained):
    with pytest.raises(UserError, match='nope.jpg'):
        trained.predict('nope.jpg')
    with pytest.raises(UserError, match='score_thr 2: not from 0 to 1'):
        trained.predict('nope.jpg', score_thr=2)
    with pytest.raises(UserError, match='split dev: not known; val or test'):
        trained.test('dev')
    with pytest.raises(UserError, match='--format nope'):
        trained.export('nope')


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (SystemExit(143), 'status 143'),
        (PermissionError(13, 'denied', 'f'), 'f: denied'),
        (ModuleNotFoundError(name='torch'), r"pip install 'detplug\[train\]'"),
    ],
)
def test_nothing_ends_the_program(error, line):
    with pytest.raises(UserError, match=line), one_line_errors():
        raise error


def test_a_bug_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), one_line_errors():
        print(1 / 0)


def test_importing_detplug_loads_nothing_and_a_bundle_needs_no_torch(tmp_path):
    bundle = write_bundle(tmp_path / 'bundle')
    picture = write_pictures(tmp_path / 'pictures')[0]
    code = f"""
import sys, detplug
assert not {{'torch', 'cv2', 'onnxruntime', 'numpy', 'detplug.errors'}} & set(sys.modules)
assert 'Detector' in dir(detplug) or detplug.Detector
found = detplug.Detector({str(bundle)!r}).predict({str(picture)!r}, score_thr=0)
assert len(found) == 1 and len(found._repr_html_())
assert not {{'torch', 'mmdet', 'mmengine'}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_training_is_called_by_few_names():
    names = list(inspect.signature(Detector.train).parameters)
    assert names == ['self', 'data', 'epochs', 'steps', 'minutes', 'size', 'batch', 'work_dir', 'options']


def test_a_bundled_detector_by_its_name():
    detector = Detector('parasite-eggs')
    assert detector.bundle.name == 'parasite-eggs' and 'ascaris' in detector.names
    with pytest.raises(UserError, match='models: .*yolov5n.*, blood-cells, parasite-eggs'):
        Detector('parasite-egg')
