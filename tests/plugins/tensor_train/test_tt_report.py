"""The picture of accuracy against size, in parameters and in MACs."""

import numpy as np

from plugins.tensor_train.report import accuracy_figure


def test_every_point_is_drawn_against_parameters_and_macs():
    points = dict(lwiq=[(4e5, 2e8, 0.5), (2e5, 1e8, 0.4)], uniform=[(3e5, 1.5e8, 0.45)])
    figure = accuracy_figure(points, (8e5, 5e8, 0.6), 'mAP of something')
    for size, axes in enumerate(figure.axes):
        lines = {line.get_label(): np.stack(line.get_data(), 1).tolist() for line in axes.lines}
        for name, found in points.items():
            assert lines[name] == sorted([own[size], own[2]] for own in found)
        assert lines['dense'] == [[(8e5, 5e8)[size], 0.6]]
    assert [axes.get_xlabel() for axes in figure.axes] == ['parameters, M', 'MACs, M']
    assert figure.axes[0].get_ylabel() == 'mAP of something'
