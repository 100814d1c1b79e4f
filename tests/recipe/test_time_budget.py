"""How many steps fit into a time: the sum of what they and the validations take, and refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detplug.errors import UserError
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
    with pytest.raises(UserError, match=r'--minutes: 5 steps of 2 s would fit, 20 are the fewest; give .* more'):
        fitting_steps(10, Speed(2, 0), 0)


def test_the_later_steps_count(monkeypatch):
    times = StepTimes(most=100)
    times.ends = [0, 50, 60, 61, 62, 63.5]
    assert times.step == 1.0, 'the first ones filled caches'
