"""Curves over the steps take what the history has."""

import numpy as np
import pytest

from detplug.report.training_figures import loss_figure, pace_figure, running_mean, series, validation_figure


def test_rows_without_a_finite_value_are_left_out():
    history = [
        {'step': 1, 'loss': 2.0},
        {'step': 2, 'loss': float('nan')},
        {'step': 3, 'loss': None},
        {'step': 4, 'val/map': 0.5},
        {'step': 5, 'loss': 1},
    ]
    steps, values = series(history, 'loss')
    assert steps.tolist() == [1, 5] and values.tolist() == [2, 1]


def test_the_total_and_every_term_have_a_curve():
    history = [{'step': s, 'loss': 1.0, 'loss_cls': 0.4, 'loss_bbox': 0.6, 'lr': 0.1} for s in range(3)]
    assert [line.get_text() for line in loss_figure(history).axes[0].get_legend().get_texts()] == [
        'total',
        'loss_bbox',
        'loss_cls',
    ]


def test_the_pace_has_a_panel_for_each_thing_that_was_recorded():
    steps = [{'step': s, 'lr': 0.1 / s, 'time': 0.5, 'data_time': 0.2} for s in range(1, 9)]
    axes = pace_figure([*steps, {'step': 8, 'val/map': 0.5, 'memory': 1.5}]).axes
    assert [x.get_ylabel() for x in axes] == ['learning rate', 'seconds a step', 'memory, GiB']
    assert [line.get_ydata().tolist() for line in axes[1].lines] == [[0.5] * 8, [0.2] * 8]
    assert axes[2].lines[0].get_xydata().tolist() == [[8, 1.5]] and axes[0].get_legend() is None
    assert len(pace_figure(steps).axes) == 2 and pace_figure([{'step': 8, 'val/map': 0.5}]) is None


@pytest.mark.parametrize('best', [0.0, 0.05, 0.4, 1.0])
def test_what_is_said_of_the_best_validation_lies_inside_the_axes(best):
    figure = validation_figure([{'step': s, 'val/map': best, 'val/map50': best} for s in range(1, 9)])
    figure.canvas.draw()
    axes = figure.axes[0]
    text, inside = axes.texts[0].get_window_extent(), axes.get_window_extent()
    assert inside.y0 < text.y0 and text.y1 < inside.y1


def test_memory_that_hardly_changes_is_below_the_top():
    steps = [{'step': s, 'lr': 0.1, 'memory': 1.39 + s / 1e4} for s in range(1, 9)]
    assert all(axes.get_ylim()[1] > 1.05 * axes.lines[0].get_ydata().max() for axes in pace_figure(steps).axes)


def test_no_history_gives_no_figures():
    assert loss_figure([]) is None and validation_figure([]) is None
    assert validation_figure([{'step': 1, 'loss': 1.0}]) is None


def test_the_running_mean_keeps_constants_and_length():
    for count in (1, 2, 39, 400):
        np.testing.assert_allclose(running_mean(np.full(count, 3.0)), np.full(count, 3.0))
