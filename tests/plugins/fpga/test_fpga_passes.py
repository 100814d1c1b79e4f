"""Passes run until nothing changes."""

import pytest

from detplug.errors import UserError
from plugins.fpga.passes import PASSES, run_passes


class Halve:
    """Halves even numbers."""

    def apply(self, model):
        return (model // 2, True) if model % 2 == 0 else (model, False)


class Increment:
    def apply(self, model):
        return model + 1, False


class Endless:
    def apply(self, model):
        return model, True


def test_each_pass_runs_until_it_changes_nothing_in_order():
    assert run_passes(40, [Halve(), Increment()]) == 6
    assert run_passes(40, [Increment(), Halve()]) == 41
    assert run_passes(40, []) == 40


def test_a_pass_comes_from_its_settings(monkeypatch):
    monkeypatch.setattr(PASSES, '_module_dict', dict(PASSES.module_dict))
    PASSES.register_module(module=Halve)
    assert run_passes(12, [dict(type='Halve')]) == 3


def test_an_endless_pass_is_refused():
    with pytest.raises(UserError, match='Endless still changes'):
        run_passes(1, [Endless()])
