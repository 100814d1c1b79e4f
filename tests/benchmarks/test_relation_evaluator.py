"""The comparison of the relation evaluator with plain loops sees a wrong rule, in every task."""

import importlib

import pytest

import benchmarks.relation_evaluator as benchmark
from plugins.sabra.evaluator import diagnosis
from plugins.sabra.metrics import hico, openimages, relation_map, scene_graph, vcoco, vrd

# task -> module whose least overlap is set to .45
MODULES = {
    'hico': hico,
    'vcoco': vcoco,
    'vrd': vrd,
    'vrd_predicate': None,
    'scene_graph': scene_graph,
    'openimages': openimages,
    'map': relation_map,
    'diagnosis': diagnosis,
}


@pytest.mark.parametrize('name', benchmark.TASKS)
def test_a_wrong_rule_is_a_mismatch(name, monkeypatch):
    case = benchmark.cases_of(name)
    assert all(benchmark.agree(*case(seed)) for seed in range(5))
    if MODULES[name] is None:  # on the boxes of the truth overlaps are 1: count a row of the truth once
        monkeypatch.setattr(vrd, 'rows_of_truth', lambda image, result, kept: kept)
    else:
        monkeypatch.setattr(MODULES[name], 'IOU', 0.45)
    assert not all(benchmark.agree(*case(seed)) for seed in range(60))


def test_the_loop_that_times_are_compared_with_gives_the_same_figure():
    test = importlib.import_module('test_sabra_metrics_hico')
    for seed in range(5):
        _, images, results = test.random_case(seed)
        want = hico.hico_map(images, results, test.NAMES)
        assert benchmark.loop_map(images, results, test.NAMES) == pytest.approx(want['map_full'])
