"""Imprinted sensitivity: locations have the labels of their boxes, and what recognition needs is cut last."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from detplug.errors import UserError
from plugins.tensor_train.conv_layers import conv_layers
from plugins.tensor_train.ranks import CalibrationData, ImprintedSensitivityRanks
from plugins.tensor_train.ranks.imprinted_sensitivity import imprint, likelihood, location_labels

BOX = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2))


@given(st.lists(BOX, max_size=4))
def test_a_location_is_of_the_smallest_box_that_holds_its_centre(rows):
    boxes = torch.tensor([[x, y, x + w, y + h, k] for x, y, w, h, k in rows], dtype=torch.float32).reshape(-1, 5)
    found = location_labels([boxes], (8, 8), 32, 3)[0]
    for row in range(8):
        for col in range(8):
            x, y = 4 * col + 2, 4 * row + 2
            inside = [
                ((b[2] - b[0]) * (b[3] - b[1]), int(b[4]))
                for b in boxes.tolist()
                if b[0] <= x < b[2] and b[1] <= y < b[3]
            ]
            least = min((area for area, _ in inside), default=0)
            assert int(found[row, col]) in {label for area, label in inside if area == least} or not inside
            assert inside or found[row, col] == 3


def test_features_of_the_classes_directions_are_recognised():
    labels = torch.tensor([[[0, 1], [2, 2]]])
    maps = torch.eye(3)[labels].movedim(-1, 1)
    weights = imprint(maps, labels, 4)
    torch.testing.assert_close(weights, torch.cat([torch.eye(3), torch.zeros(1, 3)]))  # a class without an example
    right = likelihood(maps[0], weights, labels[0])
    assert right > -0.001 > likelihood(maps[0].roll(1, 0), weights, labels[0])


class TwoPaths(nn.Module):
    """The neck's map has four channels: two of the class of what is there, two of brightness, which no class has."""

    def __init__(self):
        super().__init__()
        self.kind, self.light = nn.Conv2d(4, 12, 1, bias=False), nn.Conv2d(4, 12, 1, bias=False)
        with torch.no_grad():
            self.light.weight.normal_(generator=torch.Generator().manual_seed(0))
            self.kind.weight.copy_(self.light.weight)
        self.neck = nn.Identity()

    def forward(self, x):
        return self.neck(torch.cat([self.kind(x[:, :4]), 0.5 * self.light(x[:, 4:])], 1))


def planted() -> tuple[nn.Module, CalibrationData]:
    """Four classes in the squares of an image, in four channels; noise in four others."""
    model = TwoPaths()
    boxes = torch.tensor([[0.0, 0, 8, 8, 0], [8, 0, 16, 8, 1], [0, 8, 8, 16, 2]])  # the fourth square is background
    kinds = location_labels([boxes], (16, 16), 16, 3)
    noise = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    images = torch.cat([torch.eye(4)[kinds].movedim(-1, 1).expand(4, -1, -1, -1), noise], 1)
    return model, CalibrationData(model, [images], images[:0], torch.zeros(0), [boxes] * 4)


def test_the_layer_that_recognition_needs_has_the_larger_loss():
    model, data = planted()
    scores = ImprintedSensitivityRanks().scores(model, conv_layers(model, model, data.images[0][:1]), data)
    assert scores['kind'].curve(0.3) > 3 * scores['light'].curve(0.3)


def test_images_without_objects_are_one_line():
    model, data = planted()
    empty = CalibrationData(model, data.images, data.crops, data.labels, [torch.zeros(0, 5)] * 4)
    with pytest.raises(UserError, match='imprinted_sensitivity: no object in the first images; choose another'):
        ImprintedSensitivityRanks().scores(model, conv_layers(model, model, data.images[0][:1]), empty)
