"""How many steps fit into a time: the sum of what they and the validations take, and refusals."""

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config

from detplug.errors import UserError
from detplug.recipe import time_budget
from detplug.recipe.time_budget import FEWEST, Speed, StepTimes, fitting_steps

SECONDS = st.floats(1e-3, 10)


@given(st.floats(1, 1e5), SECONDS, SECONDS, st.integers(0, 1000))
def test_steps_and_validations_fill_the_time_and_no_more(seconds, step, val_image, images):
    try:
        steps, validations = fitting_steps(seconds, Speed(step, val_image), images)
    except UserError:
        assert seconds - val_image * images < FEWEST * step * 1.001
        return
    used = steps * step + validations * val_image * images
    assert used <= seconds * 1.001 and seconds - used <= step * 1.001
    assert 1 <= validations <= 10 and (validations == 1 or validations * val_image * images <= 0.2 * seconds * 1.001)


def test_a_time_in_which_hardly_a_step_fits_is_refused():
    with pytest.raises(UserError, match='5 steps of 2 s would fit, 20 are the fewest; give --minutes 1.2 or'):
        fitting_steps(10, Speed(2, 0), 0, passed=25)
    assert fitting_steps(72 - 25, Speed(2, 0), 0, passed=25)[0] >= 20, 'what was named does'


def test_a_slow_machine_is_refused_after_four_steps_without_a_validation(monkeypatch):
    """Steps of 10 s in a training of a minute."""
    seen = []

    class Runner:
        train_loop = types.SimpleNamespace(stop_training=False)

        def register_hook(self, hook):
            self.hook = hook

        def train(self):
            while not self.train_loop.stop_training:
                self.hook.ends.append(10.0 * len(seen))
                seen.append('step')
                if len(self.hook.ends) >= self.hook.fewest and self.hook.ends[-1] > self.hook.most:
                    return

    runner = types.SimpleNamespace(from_cfg=lambda config: Runner())
    monkeypatch.setattr(time_budget.RUNNERS, 'get', lambda kind: runner)
    loader = dict(dataset=dict(type='CocoDataset'))
    config = Config(dict(runner_type='x', train_cfg=dict(max_iters=12), val_dataloader=loader))
    with pytest.raises(UserError, match='--minutes: 6 steps of 10 s would fit, .* give --minutes 3.7 or more'):
        time_budget.measure(config, 60)
    assert len(seen) == 4


def test_the_later_steps_count(monkeypatch):
    times = StepTimes(most=100)
    times.ends = [0, 50, 60, 61, 62, 63.5]
    assert times.step == 1.0, 'the first ones filled caches'
