"""What holds of the figures of every protocol: the order of images and of predictions means nothing."""

from functools import partial

import pytest
import test_sabra_metrics_hico as hico
import test_sabra_metrics_map as own
import test_sabra_metrics_openimages as openimages
import test_sabra_metrics_scene_graph as graph
import test_sabra_metrics_vcoco as vcoco
import test_sabra_metrics_vrd as vrd
from sabra_metric_cases import shuffled, with_distinct_scores

# protocol -> (figures of images and results, random case of a seed)
METRICS = {
    'hico': (lambda *case: hico.hico_map(*case, hico.NAMES), hico.random_case),
    'map': (lambda *case: own.relation_map(*case, own.NAMES), own.random_case),
    'openimages': (lambda *case: openimages.openimages_score(*case, openimages.NAMES), openimages.random_case),
    'scene_graph': (  # more than a block of images
        lambda *case: graph.scene_graph_recall(*case, graph.NAMES, graph.TOPS, graph.TRAIN),
        partial(graph.random_case, images=70),
    ),
    'vcoco': (lambda *case: vcoco.vcoco_ap(*case, vcoco.NAMES), vcoco.random_case),
    'vrd': (partial(vrd.vrd_recall, tops=vrd.TOPS, kept=vrd.KEPT), vrd.random_case),
}


@pytest.mark.parametrize('seed', range(10))
@pytest.mark.parametrize('name', METRICS)
def test_order_of_images_and_predictions_changes_nothing(name, seed):
    metric, random_case = METRICS[name]
    rng, images, results = random_case(seed)
    results = with_distinct_scores(rng, results)
    assert metric(*shuffled(rng, images, results)) == pytest.approx(metric(images, results))
