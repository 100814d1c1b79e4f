"""The benchmark of counts: drawn slides and the reader do what its figures say."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def slide_count(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    import slide_count

    yield slide_count
    sys.modules.pop('slide_count')


def test_simulated_slides_are_counted_and_reviewed(slide_count, monkeypatch, tmp_path):
    monkeypatch.setattr(slide_count, 'SLIDES', 20)
    figures = slide_count.measure(tmp_path, *slide_count.simulated(tmp_path, 1))
    assert figures['slides'] == 20 and figures['negative'] == 10
    assert figures['reviewed_sensitivity'] >= figures['sensitivity'] and 0 < figures['covered'] <= 1
    monkeypatch.setattr(slide_count, 'DECISIONS', 10_000)  # who judges every box that is on an egg or not errs nowhere
    _, truth = slide_count.simulated(tmp_path / 'all', 1)[1]
    assert slide_count.review(tmp_path / 'test', truth, 'egg', 0.5, 'random') == (1.0, 1.0)


def test_a_drawn_slide_has_its_eggs_and_is_drawn_once(slide_count, monkeypatch, tmp_path):
    monkeypatch.setattr(slide_count, 'SIDE', 400)
    monkeypatch.setattr(slide_count, 'FIELD', 200)
    boxes = slide_count.draw(tmp_path / 'a.jpg', 5, (0, 1, 2))
    assert boxes.shape == (5, 4) and (boxes >= 0).all() and (boxes <= 400).all()
    written = (tmp_path / 'a.jpg').stat().st_mtime_ns
    assert np.array_equal(slide_count.draw(tmp_path / 'a.jpg', 5, (0, 1, 2)), boxes)
    assert (tmp_path / 'a.jpg').stat().st_mtime_ns == written
