"""One or two processes train and test a whole relation detector on scenes of every degenerate truth."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sabra_tiny_training import IMAGES, build, predictions_of, write_set
from torchrun import run_two

from detplug.engine.history import read_history
from detplug.report.hook import pictures_of


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """(folder, runner of a training in one process); its first weights are in weights.pth."""
    folder = tmp_path_factory.mktemp('scenes')
    write_set(folder)
    runner = build(folder)
    torch.save(dict(state_dict=runner.model.state_dict()), folder / 'weights.pth')
    runner.train()
    return folder, runner


@pytest.fixture(scope='module')
def two(one):
    """Results of both processes of two_processes_sabra_training.py."""
    folder, _ = one
    run_two(Path(__file__).with_name('two_processes_sabra_training.py'), folder)
    return [json.loads((folder / f'rank_{rank}.json').read_text()) for rank in (0, 1)]


@pytest.mark.parametrize('work_dir', ['work', 'two'])
def test_every_loss_is_finite_and_every_step_is_recorded(one, two, work_dir):
    rows = read_history(one[0] / work_dir / 'history.jsonl')
    losses = [row['loss'] for row in rows if 'loss' in row]
    assert len(losses) == IMAGES and np.isfinite(np.array(losses, float)).all()
    assert [row['step'] for row in read_history(one[0] / work_dir / 'relations.jsonl')] == [3, 6]


def test_the_report_shows_what_was_sampled(one):
    note, picture = pictures_of(one[1])['Sampled pairs']
    assert 'N4 both right' in note and picture.ndim == 3


def test_two_processes_end_with_the_same_weights(one, two):
    first, second = two
    assert first['weights'] == second['weights']
    before = torch.load(one[0] / 'weights.pth', weights_only=True)['state_dict']
    own = torch.cat([before[name].flatten() for name, _ in one[1].model.named_parameters()])
    assert not torch.equal(torch.tensor(first['weights']), own)


def test_one_and_two_processes_tell_the_same_of_every_image(one, two):
    folder, _ = one
    runner = build(folder, load_from=str(folder / 'weights.pth'), work_dir=str(folder / 'single'))
    metrics, wanted = runner.test(), predictions_of(runner)
    assert len(wanted) == IMAGES and all(len(boxes) > 1 for _, boxes, *_ in wanted)
    assert sum(len(triplets) for _, _, _, triplets, _ in wanted) > 100
    for found in two:
        assert found['metrics'] == pytest.approx(metrics, abs=1e-9, nan_ok=True)
        for mine, other in zip(found['predictions'], wanted, strict=True):
            assert mine[0] == other[0] and mine[2] == other[2]
            assert {tuple(x) for x in mine[3]} == {tuple(x) for x in other[3]}
            np.testing.assert_allclose(mine[1], other[1], atol=1e-3)
            np.testing.assert_allclose(mine[4], other[4], rtol=1e-4, atol=1e-7)
