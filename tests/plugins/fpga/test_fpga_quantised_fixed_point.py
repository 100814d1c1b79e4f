"""Rounding and the choice of fracs, against exact fractions and all candidates."""

import sys
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detplug.errors import UserError
from plugins.fpga.extra import needs_extra
from plugins.fpga.quantised.fixed_point import best_frac, candidates, limits, scale_of, squared_error, to_integers

VALUES = st.floats(-1000, 1000, width=32)


@given(value=VALUES, frac=st.integers(-6, 12), signed=st.booleans())
def test_halves_go_to_the_even_neighbour(value, frac, signed):
    low, high = limits(signed)
    exact = min(max(round(Fraction(value) * Fraction(2) ** frac), low), high)  # Python rounds halves to even
    for x in (torch.tensor(value), torch.tensor(value, requires_grad=True)):
        assert int(to_integers(x, frac, signed)) == exact


def test_scales_are_exact_powers_of_two():
    fracs = torch.arange(-126, 127, dtype=torch.int32)
    assert scale_of(fracs).tolist() == [2.0**-frac for frac in fracs.tolist()]


def test_the_gradient_passes_straight():
    x = torch.tensor([0.3, -700.0], requires_grad=True)
    to_integers(x, 2).sum().backward()
    assert x.grad.tolist() == [4, 4]


@given(values=st.lists(VALUES, min_size=1, max_size=30), signed=st.booleans())
def test_the_chosen_frac_is_the_best_of_all_that_lose_less(values, signed):
    x = torch.tensor(values)
    x = x if signed else x.abs()
    chosen = best_frac(x, signed)
    among = candidates(float(x.abs().max()), signed)
    assert chosen in among
    finest, high = among[0], limits(signed)[1]
    if x.any() and -24 < finest < 21:
        assert x.abs().max() * 2.0**finest <= high < x.abs().max() * 2.0 ** (finest + 1)  # it clips nothing
        coarser = squared_error(x, finest - 3, signed)
        assert squared_error(x, chosen, signed) <= coarser + 1e-9 * float(x.square().sum())


def test_a_missing_extra_is_one_line_with_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, 'brevitas', None)
    words = r'brevitas: not installed; pip install detplug\[fpga\], or make setup'
    with pytest.raises(UserError, match=words), needs_extra():
        import brevitas  # noqa: F401
    monkeypatch.setitem(sys.modules, 'torch.nowhere', None)
    with pytest.raises(ModuleNotFoundError), needs_extra():
        import torch.nowhere  # noqa: F401
