"""The report shows the first batch as the network gets it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData
from tiny_training import build, write_images

from detplug.engine.batch_preview_hook import BatchPreviewHook, contact_sheet, pairs_of


def sample(boxes=None, labels=(), wrap=lambda x: x):
    found = DetDataSample()
    if boxes is not None:
        boxes = wrap(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
        found.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor(labels, dtype=torch.int64))
    return found


def image(value, height=32, width=64):
    return torch.full((3, height, width), value, dtype=torch.uint8)


def test_the_pictures_of_a_training_are_those_of_its_first_batch(tmp_path):
    write_images(tmp_path)
    runner = build(tmp_path, train_cfg__max_iters=3, train_cfg__val_interval=3)
    hook = next(x for x in runner.hooks if isinstance(x, BatchPreviewHook))
    first = []
    runner.register_hook(Recorder(first))
    runner.train()
    assert len(first) == 3 and len(hook.pictures) == 3  # three steps; three pictures a batch
    for (picture, boxes, labels), tensor, found in zip(
        hook.pictures, first[0]['inputs'], first[0]['data_samples'], strict=True
    ):
        assert (picture == tensor.permute(1, 2, 0).numpy()).all() and len(boxes) == len(labels)
        np.testing.assert_array_equal(boxes, np.asarray(found.gt_instances.bboxes.tensor))
    heading, (note, sheet) = next(iter(hook.report_pictures(runner).items()))
    assert 'batch' in heading and sheet.shape == (320, 3 * 326 - 6, 3) and sheet.std() > 5


class Recorder(BatchPreviewHook):
    def __init__(self, kept):
        super().__init__()
        self.kept = kept

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.kept.append(data_batch)


@pytest.mark.parametrize('wrap', [lambda x: x, HorizontalBoxes])
def test_frames_are_where_the_boxes_are(wrap):
    hook = BatchPreviewHook()
    batch = dict(inputs=[image(200)], data_samples=[sample([[8, 8, 24, 24]], [1], wrap)])
    hook.after_train_iter(SimpleNamespace(model=None), 0, batch)
    sheet = contact_sheet(hook.pictures, ('red', 'green'))
    assert sheet.shape == (320, 320, 3) and (sheet[200:] == 255).all()  # 64 x 32 fitted into 320 px
    changed = (sheet[:160] != 200).any(2)
    y, x = changed.nonzero()
    assert 35 <= x.min() <= 41 and 115 <= y.max() <= 121 and changed[80, 40]


def test_branches_are_in_turn_and_a_picture_without_labels_has_no_boxes():
    inputs = dict(sup=[image(1), image(2)], unsup=[image(3)])
    samples = dict(sup=[sample([[0, 0, 9, 9]], [0]), sample([], [])], unsup=[sample()])
    pairs = pairs_of(dict(inputs=inputs, data_samples=samples))
    assert [int(x[0, 0, 0]) for x, _ in pairs] == [1, 3, 2]
    hook = BatchPreviewHook()
    hook.after_train_iter(SimpleNamespace(model=None), 0, dict(inputs=inputs, data_samples=samples))
    assert [len(boxes) for _, boxes, _ in hook.pictures] == [1, 0, 0]


@pytest.mark.parametrize(
    'batch', [None, dict(inputs=None, data_samples=[]), dict(inputs=torch.zeros(2, 5), data_samples=[1, 2])]
)
def test_a_batch_without_pictures_gives_none(batch):
    hook = BatchPreviewHook()
    hook.after_train_iter(SimpleNamespace(model=None), 0, batch)
    assert hook.report_pictures(None) == {}
