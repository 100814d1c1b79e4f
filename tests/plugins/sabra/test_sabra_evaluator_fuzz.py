"""Any content of a result or annotation file gives figures or the one documented error."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sabra_evaluator_cases import ppdm, predicted_folder, scene_graph_files, small_set, vcoco_pickle
from test_sabra_graph_truth import FORMS

from detplug.errors import UserError
from plugins.sabra.evaluator.predictions import read_predictions
from plugins.sabra.evaluator.truth import read_truth
from plugins.sabra.metrics.protocols import evaluate

STRANGE = st.sampled_from(
    [None, True, -1, 0, 3, 10**30, 1.5, float('nan'), float('inf'), '', 'x', '7', [], [1], [[1, 2], 3], {}, {'a': 1}]
)
FILES = {
    'psg': ['psg.json'],
    'vg': ['test.json', 'rel.json'],
    'openimages': ['vrd-test-anno.json', 'categories_dict.json'],
}
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutate(content, data):
    """Replace or remove a value at a random depth."""
    while True:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        key = data.draw(st.sampled_from(keys))
        inner = content[key]
        if isinstance(inner, (dict, list)) and inner and data.draw(st.integers(0, 4)):
            content = inner
            continue
        if isinstance(content, dict) and data.draw(st.booleans()):
            del content[key]
        else:
            content[key] = data.draw(STRANGE)
        return


def figures_or_error(path, task, truth):
    try:
        results, _ = read_predictions(path, truth, task)
        figures = evaluate(task, truth.images, results, truth.names)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert all(0 <= value <= 1 for value in figures.values())


@SETTINGS
@given(data=st.data(), form=st.sampled_from(['ppdm', 'graph', 'info', 'boxes', 'relations', 'pickle']))
def test_results(data, form, tmp_path):
    task = dict(ppdm='hico', pickle='vcoco').get(form, 'vg')
    truth, results = small_set(task, images=4)
    if form == 'ppdm':
        content = ppdm(truth, results, 'coco')
        mutate(content, data)
        path = tmp_path / 'found.json'
        path.write_text(json.dumps(content))
    elif form == 'pickle':
        content = pickle.loads(vcoco_pickle(results, truth.images))
        mutate(content, data)
        path = tmp_path / 'found.pkl'
        path.write_bytes(pickle.dumps(content))
    else:
        graphs = form in ('graph', 'info')
        path = scene_graph_files(tmp_path, truth, results, data.draw(st.booleans())) if graphs else tmp_path
        if not graphs:
            predicted_folder(tmp_path, truth, results)
        name = dict(graph=path.name, info='custom_data_info.json').get(form, dict(boxes='predictions.json').get(form))
        file = tmp_path / (name or 'relations.json')
        content = json.loads(file.read_text())
        mutate(content, data)
        file.write_text(json.dumps(content))
    figures_or_error(path, task, truth)


@SETTINGS
@given(data=st.data(), task=st.sampled_from(sorted(FORMS)))
def test_annotations(data, task, tmp_path):
    truth, results = small_set(task, images=4)
    gt = FORMS[task](tmp_path, truth)
    file = tmp_path / data.draw(st.sampled_from(FILES[task]))
    content = json.loads(file.read_text())
    mutate(content, data)
    file.write_text(json.dumps(content))
    try:
        read = read_truth(gt, task)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert all(np.isfinite(image.boxes).all() for image in read.images)
    assert len(results) == 4


@pytest.mark.parametrize('suffix', ['.npz', '.pkl', '.json'])
@SETTINGS
@given(content=st.binary(max_size=200))
def test_any_bytes(suffix, content, tmp_path):
    truth, _ = small_set('vcoco', images=2)
    path = tmp_path / f'bytes{suffix}'
    path.write_bytes(content)
    with pytest.raises(UserError):
        read_predictions(path, truth, 'vcoco')
