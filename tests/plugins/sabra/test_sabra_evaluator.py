"""detplug evaluate-relations: without torch, for the result files of public code, and its errors."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sabra_evaluator_cases import (
    ppdm,
    predicted_folder,
    scene_graph_files,
    small_set,
    vcoco_pickle,
    write_truth,
)
from scipy.io import savemat

from detplug.cli.main import main as detplug
from plugins.sabra.evaluator.detplug_predictions import write_npz
from plugins.sabra.evaluator.truth import read_truth
from plugins.sabra.metrics.protocols import PROTOCOLS, evaluate
from plugins.sabra.relations import RelationSet, truth_as_result

ROOT = Path(__file__).resolve().parents[3]
BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {blocked}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Block())
"""
HEAVY = ('torch', 'mmdet', 'mmengine', 'mmcv', 'scipy', 'matplotlib', 'pycocotools')


def run(*words) -> int:
    return detplug(['evaluate-relations', *map(str, words)])


def figures_of(out: Path) -> dict:
    return json.loads(out.read_text())['figures']


def without(blocked, code: str) -> str:
    """Output of ``code`` in a process where the modules ``blocked`` cannot be imported."""
    script = BLOCKED.format(blocked=blocked) + code
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_figures_need_numpy_alone():
    code = 'import plugins.sabra.metrics.protocols; print(sorted(plugins.sabra.metrics.protocols.PROTOCOLS))'
    blocked = (*HEAVY, 'cv2', 'PIL', 'msgspec', 'onnxruntime', 'arro3', 'rich')
    assert without(blocked, code).strip() == str(sorted(PROTOCOLS))


def test_the_command_needs_no_torch(tmp_path):
    data, results = small_set('vrd')
    write_npz(tmp_path / 'found.npz', data.images, results, data.names)
    words = ['evaluate-relations', '--task', 'vrd', '--gt', str(write_truth(tmp_path, data))]
    words += ['--predictions', str(tmp_path / 'found.npz'), '--picture', str(tmp_path / 'errors.png')]
    code = f'from detplug.cli.main import main\nassert main({words}) == 0'
    assert 'relationship_r50_k1' in without(HEAVY, code)
    assert (tmp_path / 'errors.png').read_bytes()[1:4] == b'PNG'


def expected(task, data, results, **options):
    figures = evaluate(task, data.images, results, data.names, options)
    assert figures and 0 < max(figures.values())  # the comparison is of something
    return figures


@pytest.mark.parametrize('task', ['vrd', 'vg', 'psg', 'openimages', 'map', 'hico', 'vcoco'])
@pytest.mark.parametrize('form', ['npz', 'folder'])
def test_own_forms_give_the_figures_of_the_functions(task, form, tmp_path):
    data, results = small_set(task)
    if form == 'npz':
        write_npz(path := tmp_path / 'found.npz', data.images, results, data.names)
    else:
        path = predicted_folder(tmp_path / 'found', data, results)
    assert run('--task', task, '--gt', write_truth(tmp_path, data), '--predictions', path, '--out', tmp_path / 'o') == 0
    assert figures_of(tmp_path / 'o') == pytest.approx(expected(task, data, results))


def test_the_order_of_images_and_of_names_in_a_file_means_nothing(tmp_path):
    data, results = small_set('vrd')
    mixed = np.random.default_rng(0).permutation(len(results))
    other = RelationSet(data.names, [data.images[i] for i in mixed])
    write_npz(tmp_path / 'found.npz', other.images, [results[i] for i in mixed], data.names)
    run(
        '--task',
        'vrd',
        '--gt',
        write_truth(tmp_path, data),
        '--predictions',
        tmp_path / 'found.npz',
        '--out',
        tmp_path / 'o',
    )
    assert figures_of(tmp_path / 'o') == pytest.approx(expected('vrd', data, results))


@pytest.mark.parametrize('numbering', ['coco', 'position'])
def test_ppdm_json(numbering, tmp_path, capsys):
    data, results = small_set('hico')
    gt, path = write_truth(tmp_path, data), tmp_path / 'found.json'
    path.write_text(json.dumps(ppdm(data, results, numbering)))
    words = ('--task', 'hico', '--gt', gt, '--predictions', path, '--out', tmp_path / 'o')
    assert run(*words, '--numbering', numbering) == 0
    assert figures_of(tmp_path / 'o') == pytest.approx(expected('hico', data, results))
    if numbering == 'position':  # verb 0 and class 0 do not exist in the other numbering
        assert run(*words) == 2
        assert '--numbering position' in capsys.readouterr().err


def test_vcoco_pickle(tmp_path):
    data, results = small_set('vcoco')
    (tmp_path / 'cache.pkl').write_bytes(vcoco_pickle(results, data.images))
    gt = write_truth(tmp_path, data)
    assert run('--task', 'vcoco', '--gt', gt, '--predictions', tmp_path / 'cache.pkl', '--out', tmp_path / 'o') == 0
    want, figures = expected('vcoco', data, results), figures_of(tmp_path / 'o')
    roles = {name for name in want if not name.startswith('agent')}  # there a box of the script has one predicate alone
    assert {name: figures[name] for name in roles} == pytest.approx({name: want[name] for name in roles})


class Evil:
    def __reduce__(self):
        return print, ('a pickle ran code',)


class CacheTemplate(dict):
    """As UPT and PViC pickle their detections."""


def test_a_pickle_that_would_run_code_is_refused(tmp_path, capsys):
    data, results = small_set('vcoco')
    gt, path = write_truth(tmp_path, data), tmp_path / 'cache.pkl'
    path.write_bytes(pickle.dumps([Evil()]))
    assert run('--task', 'vcoco', '--gt', gt, '--predictions', path) == 2
    captured = capsys.readouterr()
    assert 'a pickle ran code' not in captured.out and 'builtins.print is not loaded' in captured.err
    template = [CacheTemplate(row) for row in pickle.loads(vcoco_pickle(results, data.images))]
    path.write_bytes(pickle.dumps(template, 2))
    assert run('--task', 'vcoco', '--gt', gt, '--predictions', path, '--out', tmp_path / 'o') == 0
    path.write_bytes(vcoco_pickle(results, data.images))
    assert run('--task', 'vcoco', '--gt', gt, '--predictions', path, '--out', tmp_path / 'p') == 0
    assert figures_of(tmp_path / 'o') == figures_of(tmp_path / 'p')


def test_hicodet_mat(tmp_path):
    data, results = small_set('hico')
    names, folder = data.names, tmp_path / 'matlab'
    folder.mkdir()
    for label in range(len(names.objects)):
        classes = np.flatnonzero(names.triplets[:, 0] == label)
        cells = np.empty((len(classes), len(data.images)), object)
        for row, c in enumerate(classes):
            for column, result in enumerate(results):
                s, o, p = result.triplets.T
                chosen = (result.labels[o] == label) & (p == names.triplets[c, 1])
                pairs = np.hstack([result.boxes[s], result.boxes[o], result.triplet_scores[:, None]])[chosen]
                cells[row, column] = pairs if len(pairs) else np.zeros((0, 0))
        savemat(folder / f'detections_{label + 1:02d}.mat', dict(all_boxes=cells))
    gt = write_truth(tmp_path, data)
    assert run('--task', 'hico', '--gt', gt, '--predictions', folder, '--out', tmp_path / 'o') == 0
    assert figures_of(tmp_path / 'o') == pytest.approx(expected('hico', data, results))


def every_predicate(result):
    """Each pair with both predicates, 0 where there is none, in the order of the file: see, hold."""
    scores = {}
    for (s, o, p), score in zip(result.triplets.tolist(), result.triplet_scores.tolist(), strict=True):
        row = scores.setdefault((s, o), [0.0, 0.0])
        row[p] = max(row[p], score)
    rows = [(s, o, p) for s, o in scores for p in (1, 0)]
    values = [scores[s, o][p] for s, o, p in rows]
    return replace(result, triplets=np.array(rows, np.int64).reshape(-1, 3), triplet_scores=np.array(values))


@pytest.mark.parametrize('all_scores', [True, False])
def test_scene_graph_benchmark_json(all_scores, tmp_path):
    data, results = small_set('vg')
    path = scene_graph_files(tmp_path, data, results, all_scores)
    words = ('--task', 'vg', '--gt', write_truth(tmp_path, data), '--predictions', path, '--out', tmp_path / 'o')
    assert run(*words) == 0
    if all_scores:
        results = [every_predicate(result) for result in results]
    want, figures = expected('vg', data, results), figures_of(tmp_path / 'o')
    names = [name for name in want if all_scores or not name.startswith('ng_')]
    assert {name: figures[name] for name in names} == pytest.approx({name: want[name] for name in names})
    assert run(*words, '--frame', 'picture') == 0  # the boxes are not in that frame
    assert figures_of(tmp_path / 'o')['r20'] < want['r20']


def test_real_files_are_read(real_data, tmp_path):
    for task, gt, figure in (
        ('vrd', real_data('vrd') / 'annotations_test.json', 'relationship_r100_k70'),
        ('vcoco', real_data('vcoco') / 'everything_val.txt', 'role_ap_s1'),
    ):
        data = read_truth(gt, task)
        assert len(data.images) == dict(vrd=1000, vcoco=2867)[task]
        figures = evaluate(task, data.images, [truth_as_result(image) for image in data.images], data.names)
        assert figures[figure] == pytest.approx(7478 / 7638 if task == 'vrd' else 1)
