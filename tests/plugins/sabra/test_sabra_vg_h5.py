"""Visual Genome in Scene-Graph-Benchmark's files, generated: read as written, broken ones refused, h5py asked for."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sabra_evaluator_cases import small_set

from detplug.cli.main import main as detplug
from detplug.errors import UserError
from plugins.sabra.evaluator.detplug_predictions import write_npz
from plugins.sabra.evaluator.truth import read_truth
from plugins.sabra.metrics.protocols import evaluate

h5py = pytest.importorskip('h5py', reason="h5py is not installed (pip install 'detplug[hdf5]')")
ROOT = Path(__file__).resolve().parents[3]


def runs(lengths):
    """First and last row of each image, -1 where it has none."""
    first = np.cumsum(lengths) - lengths
    return np.where(lengths > 0, first, -1), np.where(lengths > 0, first + lengths - 1, -1)


def vg_files(folder: Path, data) -> Path:
    """The three files; the first image is of the training, and a broken picture lies between."""
    images, names = data.images, data.names
    counts = [np.array([len(getattr(x, name)) for x in images]) for name in ('boxes', 'relations')]
    boxes = [x.boxes.astype(float) / max(x.width, x.height) * 1024 for x in images]
    boxes = np.concatenate([np.hstack([(x[:, :2] + x[:, 2:]) / 2, x[:, 2:] - x[:, :2]]) for x in boxes])
    starts = np.cumsum(counts[0]) - counts[0]
    with h5py.File(folder / 'VG-SGG-with-attri.h5', 'w') as file:
        file['split'] = [0] + [2] * (len(images) - 1)
        file['boxes_1024'], file['boxes_512'] = boxes, boxes / 2
        file['labels'] = np.concatenate([x.labels for x in images])[:, None] + 1
        file['relationships'] = np.concatenate([x.relations[:, :2] + k for x, k in zip(images, starts, strict=True)])
        file['predicates'] = np.concatenate([x.relations[:, 2] for x in images])[:, None] + 1
        for what, lengths in zip(('box', 'rel'), counts, strict=True):
            file[f'img_to_first_{what}'], file[f'img_to_last_{what}'] = runs(lengths)
    content = {
        f'idx_to_{key}': {str(k): name for k, name in enumerate(words, 1)}
        for key, words in (('label', names.objects), ('predicate', names.predicates))
    }
    (folder / 'VG-SGG-dicts-with-attri.json').write_text(json.dumps(content))
    pictures = [dict(image_id=x.img_id, width=x.width, height=x.height) for x in images]
    pictures.insert(2, dict(image_id=1592, width=10, height=10))
    (folder / 'image_data.json').write_text(json.dumps(pictures))
    return folder / 'VG-SGG-with-attri.h5'


def test_what_was_written_is_read(tmp_path):
    data, _ = small_set('vg', images=12)
    path = vg_files(tmp_path, data)
    test, train = read_truth(path, 'vg'), read_truth(path, 'vg', 'train')
    assert (test.names.objects, test.names.predicates) == (data.names.objects, data.names.predicates)
    related = [x for x in data.images if len(x.relations)]
    assert len(related) < len(data.images) and data.images[0] is related[0]  # images without relations are there
    assert [x.img_id for x in train.images] == [data.images[0].img_id]
    for found, want in zip([*train.images, *test.images], related, strict=True):
        assert (found.img_id, found.width, found.height) == (want.img_id, want.width, want.height)
        np.testing.assert_allclose(found.boxes, want.boxes, atol=1e-3)
        np.testing.assert_array_equal(found.labels, want.labels)
        np.testing.assert_array_equal(found.relations, want.relations)


def test_the_command_gives_the_figures(tmp_path):
    data, results = small_set('vg', images=12)
    path = vg_files(tmp_path, data)
    pairs = [(x, y) for x, y in zip(data.images[1:], results[1:], strict=True) if len(x.relations)]
    images, results = (list(column) for column in zip(*pairs, strict=True))
    write_npz(tmp_path / 'found.npz', images, results, data.names)
    words = ['evaluate-relations', '--task', 'vg', '--gt', path, '--train', path]
    words += ['--predictions', tmp_path / 'found.npz', '--out', tmp_path / 'o']
    assert detplug(list(map(str, words))) == 0
    figures = json.loads((tmp_path / 'o').read_text())['figures']
    want = evaluate('vg', images, results, data.names)
    assert want['r20'] > 0 and {name: figures[name] for name in want} == pytest.approx(want, abs=1e-6)
    assert 'zs_r20' in figures


def replace(name, value):
    def change(folder):
        with h5py.File(folder / 'VG-SGG-with-attri.h5', 'a') as file:
            rows = value(np.asarray(file[name]))
            del file[name]
            if rows is not None:
                file[name] = rows

    return change


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def remove(name):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ('change', 'line'),
    [
        (write('VG-SGG-with-attri.h5', 'no'), 'not an HDF5 file'),
        (replace('boxes_1024', lambda x: None), 'boxes_1024: missing'),
        (replace('boxes_1024', lambda x: x * np.nan), 'boxes_1024: .*finite'),
        (replace('labels', lambda x: x + 3), 'labels: . is none of 1 to 3'),
        (replace('labels', lambda x: x[1:]), 'labels: .* rows in place of'),
        (replace('relationships', lambda x: x[:, :1]), 'not rows of subject and object'),
        (replace('relationships', lambda x: x[::-1]), 'a box of another image'),
        (replace('img_to_last_rel', lambda x: x + 1000), 'img_to_last_rel: .* is none of'),
        (replace('split', lambda x: x[1:]), 'img_to_first_box: 12 rows in place of 11'),
        (
            write('image_data.json', '[{"image_id": 1, "width": 3, "height": 4}]'),
            '12 images, but image_data.json has 1',
        ),
        (replace('split', lambda x: x * 0), 'no image of the split test'),
        (remove('image_data.json'), 'image_data.json: not found'),
        (remove('VG-SGG-dicts-with-attri.json'), 'VG-SGG-dicts-with-attri.json: not found'),
        (write('VG-SGG-dicts-with-attri.json', '{"idx_to_label": {"2": "a"}}'), 'idx_to_label: not names of the'),
        (write('image_data.json', '{}'), 'not a list of images'),
        (write('image_data.json', '[{"image_id": 1}]'), r'image_data.json\[0\].width: missing'),
    ],
)
def test_broken_files_are_one_line(change, line, tmp_path):
    data, _ = small_set('vg', images=12)
    path = vg_files(tmp_path, data)
    change(tmp_path)
    with pytest.raises(UserError, match=line) as error:
        read_truth(path, 'vg')
    assert '\n' not in str(error.value)


def test_without_h5py_the_command_names_the_cure(tmp_path):
    data, _ = small_set('vg')
    path = vg_files(tmp_path, data)
    words = ['evaluate-relations', '--task', 'vg', '--gt', str(path), '--predictions', str(path)]
    code = f'import sys; sys.modules["h5py"] = None; from detplug.cli.main import main; sys.exit(main({words}))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "pip install 'detplug[hdf5]'" in done.stderr
