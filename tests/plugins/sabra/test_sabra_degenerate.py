"""Pictures and boxes with nothing or too much to learn, in one process and in two: finite losses, valid predictions."""

import json
from pathlib import Path

import pytest
import torch
from sabra_detector_cases import DEGENERATE, DETECTOR_LIMITS, USUAL, assert_valid, batch, model, pixels_model, sample
from torchrun import run_two
from two_processes_sabra import MODELS, TWO_IMAGES, same_draws, weights_after_a_step


def step(net, samples, pictures):
    """Losses and gradients of a training step, the predictions after it."""
    data = batch([sample(**x) for x in samples], pictures)
    net.train()
    losses = net(**net.data_preprocessor(data, training=True), mode='loss')
    net.parse_losses(losses)[0].backward()
    values = [x for value in losses.values() for x in (value if isinstance(value, list) else [value])]
    assert all(value.isfinite().all() for value in values)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    with torch.no_grad():
        return net.eval().test_step(batch([sample(**x) for x in samples], pictures))


@pytest.mark.parametrize('limits', DETECTOR_LIMITS)
@pytest.mark.parametrize('case', [*DEGENERATE, 'all together'])
def test_on_pictures(case, limits):
    cases = [USUAL, *DEGENERATE.values()] if case == 'all together' else [DEGENERATE[case]]
    predicted = step(pixels_model(**DETECTOR_LIMITS[limits]), cases, pictures=True)
    for one in predicted:
        assert_valid(one)
        assert limits != 'nothing is found' or len(one.pred_instances) == 0
        assert limits != 'one box is found' or len(one.pred_instances) == 1


def test_300_boxes_are_all_used_where_the_limit_allows():
    (one,) = step(model(max_boxes=300), [DEGENERATE['300 boxes']], pictures=False)
    assert_valid(one)
    assert len(one.pred_instances) == 300 and len(one.pred_relations.triplets) == 300 * 299 * 5


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    """Results of both processes of two_processes_sabra.py."""
    folder = tmp_path_factory.mktemp('two')
    run_two(Path(__file__).with_name('two_processes_sabra.py'), folder)
    return [json.loads((folder / f'rank_{rank}.json').read_text()) for rank in (0, 1)]


@pytest.mark.parametrize('name', MODELS)
def test_two_processes_take_every_step_and_stay_equal(two, name):
    first, second = (results[name] for results in two)
    assert first['steps'] == second['steps'] == [[case, who] for case in DEGENERATE for who in ('one', 'both')]
    assert first['weights'] == second['weights'] != first['before']


def test_a_step_of_two_processes_is_that_of_both_images_in_one(two):
    net = same_draws()
    together = weights_after_a_step(net, batch([sample(**x) for x in TWO_IMAGES]))
    for results in two:
        torch.testing.assert_close(torch.tensor(results['one step']), together)


def test_the_counts_of_sampled_pairs_are_those_of_all_processes(two):
    for results in two:
        counts = results['counts']
        assert counts['available/n1'] == counts['available/n2'] == counts['drawn/n1'] == counts['drawn/n2'] == 5
        assert counts['scarce'] == 1
