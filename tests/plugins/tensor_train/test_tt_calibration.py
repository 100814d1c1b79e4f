"""What a rank selection looks at: letterboxed pictures, objects of every class, the detector's own normalisation."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.models import DetDataPreprocessor
from torch import nn

from detplug.errors import UserError
from plugins.tensor_train.calibration import image_objects, letterboxed, object_crops, runner_of

LABELS = [0] * 6 + [1] * 2 + [2]


class Echo(nn.Module):
    """A detector whose raw outputs are its inputs."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = DetDataPreprocessor(mean=[10, 20, 30], std=[2, 4, 5], bgr_to_rgb=True)

    def forward(self, inputs, data_samples, mode):
        assert mode == 'tensor' and len(data_samples) == len(inputs)
        return inputs


def items_of(folder, labels=LABELS, **instance) -> list[dict]:
    """One picture a label, its grey value the label's place; the object is at (3, 5), 4 x 2 px."""
    items = []
    for i, label in enumerate(labels):
        path = str(folder / f'{i}.png')
        cv2.imwrite(path, np.full((20, 16, 3), i, np.uint8))
        instances = [dict(bbox=[3, 5, 7, 7], bbox_label=label, ignore_flag=0) | instance]
        items.append(dict(img_path=path, instances=instances))
    return items


def test_pictures_are_letterboxed_bytes():
    images = letterboxed([np.full((10, 20, 3), 7, np.uint8), np.full((40, 40, 3), 9, np.uint8)], 40)
    assert images.shape == (2, 3, 40, 40) and images.dtype == torch.uint8
    assert (images[0, :, 10:30] == 7).all() and (images[0, :, :10] != 7).all() and (images[1] == 9).all()
    assert letterboxed([], 40).shape == (0, 3, 40, 40)


def test_the_detector_normalises_what_it_runs_on():
    images = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    found = runner_of(Echo())(images)
    mean, std = torch.tensor([10.0, 20, 30]).view(3, 1, 1), torch.tensor([2.0, 4, 5]).view(3, 1, 1)
    torch.testing.assert_close(found, (images.flip(1).float() - mean) / std)


@pytest.mark.parametrize(('count', 'each'), [(3, [1, 1, 1]), (5, [2, 2, 1]), (100, [6, 2, 1]), (0, [0, 0, 0])])
def test_objects_are_of_every_class_alike(tmp_path, count, each):
    crops, labels = object_crops(items_of(tmp_path), count, seed=0)
    assert [labels.count(label) for label in range(3)] == each
    assert [LABELS[crop[0, 0, 0]] for crop in crops] == labels and all(crop.shape == (2, 4, 3) for crop in crops)


@pytest.mark.parametrize(
    ('box', 'shape'),
    [
        ([3.6, 5.2, 6.1, 6.4], (2, 4, 3)),  # every pixel that it touches
        ([-4, -4, 2, 3], (3, 2, 3)),
        ([12, 18, 40, 40], (2, 4, 3)),
        ([4, 4, 4, 4], (1, 1, 3)),
    ],
)
def test_boxes_are_cut_to_whole_pixels_of_the_picture(tmp_path, box, shape):
    (crop,), _ = object_crops(items_of(tmp_path, [0], bbox=box), 1, seed=0)
    assert crop.shape == shape


def test_ignored_outside_and_missing_objects_are_left_out(tmp_path):
    assert object_crops(items_of(tmp_path, [0], ignore_flag=1), 9, seed=0) == ([], [])
    assert object_crops(items_of(tmp_path, [0], bbox=[30, 30, 40, 40]), 9, seed=0) == ([], [])
    items = items_of(tmp_path)
    (tmp_path / '8.png').unlink()
    assert object_crops(items, 100, seed=0)[1] == LABELS[:8]
    (tmp_path / '0.png').write_bytes(b'')
    with pytest.raises(UserError, match='0.png: image file is empty'):
        object_crops(items, 100, seed=0)


def test_objects_lie_where_they_are_in_the_letterboxed_picture(tmp_path):
    """A white object on black: its box in the letterbox holds what is white there."""
    picture = np.zeros((30, 60, 3), np.uint8)
    picture[6:12, 20:40] = 255
    cv2.imwrite(str(tmp_path / 'a.png'), picture)
    instances = [dict(bbox=[20, 6, 40, 12], bbox_label=4), dict(bbox=[0, 0, 9, 9], bbox_label=1, ignore_flag=1)]
    item = dict(img_path=str(tmp_path / 'a.png'), height=30, width=60, instances=instances)
    empty = item | dict(img_path='b.png', instances=[])
    found, none = image_objects([item, empty], [tmp_path / 'a.png', Path('b.png')], 120)
    assert found.tolist() == [[40, 42, 80, 54, 4]] and none.shape == (0, 5)
    white = letterboxed([picture], 120)[0, 0] > 200
    ys, xs = white.nonzero().unbind(1)
    assert [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] == pytest.approx(found[0, :4].tolist(), abs=1)
