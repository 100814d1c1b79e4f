"""A training ends when its validations no longer improve, also one that was resumed."""

import pytest
from tiny_training import MeanScore, build, write_images

from detplug.engine.checkpoint import load_file
from detplug.engine.early_stop_hook import EarlyStopHook
from detplug.engine.history import read_validations
from detplug.errors import UserError


@pytest.fixture
def scores(monkeypatch, tmp_path):
    """Sets what the validations find, in turn, and gives the folder of the images."""

    def use(*values):
        left = iter(values)
        monkeypatch.setattr(MeanScore, 'compute_metrics', lambda self, results: dict(score=next(left)))
        return tmp_path

    write_images(tmp_path)
    return use


def train(folder, patience=2, steps=20, **changes):
    hooks = [dict(type='EarlyStopHook', patience=patience, metric='score')]
    build(folder, train_cfg__max_iters=steps, train_cfg__val_interval=2, custom_hooks=hooks, **changes).train()
    return [row['step'] for row in read_validations(folder / 'work' / 'history.jsonl')]


def test_patience_counts_from_the_best_one(scores, capsys):
    folder = scores(0.1, 0.5, 0.4, 0.6, 0.6, 0.5, 0.9)  # an equal one is no better one
    assert train(folder) == [2, 4, 6, 8, 10, 12]
    assert load_file(folder / 'work/best.pth')['meta']['iter'] == 8
    assert load_file(folder / 'work/last.pth')['meta']['iter'] == 12
    assert 'step 12: 2 validations without a better score; the training ends here' in capsys.readouterr().out


def test_one_that_improves_goes_to_its_end(scores):
    assert train(scores(0.1, 0.2, 0.3, 0.4), patience=1, steps=8) == [2, 4, 6, 8]


def test_a_resumed_training_counts_what_was_before(scores):
    folder = scores(0.5, 0.4)
    train(folder, patience=3, steps=4)
    # the validation at step 4 is made again
    scores(0.4, 0.3, 0.2, 0.9)
    assert train(folder, patience=3, resume=True) == [2, 4, 6, 8]


def test_wrong_arguments_are_one_line(scores):
    with pytest.raises(UserError, match='patience: 0: not 1 or more'):
        EarlyStopHook(0)
    hooks = [dict(type='EarlyStopHook', patience=1, metric='map')]
    with pytest.raises(UserError, match="metric: 'map' is not among the metrics score"):
        build(scores(0.5), train_cfg__val_interval=2, custom_hooks=hooks).train()
