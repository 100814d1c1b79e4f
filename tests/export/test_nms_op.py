"""The ONNX subgraph that selects detections equals the selection in numpy."""

import numpy as np
import onnxruntime
import pytest
import torch

from detplug.export.graph import DETECTIONS, quiet_exporter
from detplug.export.nms_op import OPSET, TRANSLATIONS, select_detections
from detplug.runtime.detections import select

NMS = dict(score_thr=0.2, iou_threshold=0.6, max_per_img=25, multi_label=True)


class Selecting(torch.nn.Module):
    def __init__(self, per_class: int = NMS['max_per_img']):
        super().__init__()
        self.per_class = per_class

    def forward(self, boxes, scores):
        limits = NMS['max_per_img'], self.per_class
        return select_detections(boxes, scores, NMS['score_thr'], NMS['iou_threshold'], *limits)


@pytest.fixture(scope='module')
def session(tmp_path_factory):
    return exported(Selecting(), tmp_path_factory)


@pytest.fixture(scope='module', params=[1, 4])
def limited(request, tmp_path_factory):
    """A session, and the limit of detections of one class that it has."""
    return exported(Selecting(request.param), tmp_path_factory), request.param


def exported(selecting, tmp_path_factory):
    path, batch = tmp_path_factory.mktemp('nms') / 'nms.onnx', torch.export.Dim('batch')
    with quiet_exporter():
        program = torch.onnx.export(
            selecting.eval(),
            (torch.zeros(2, 60, 4), torch.zeros(2, 60, 3)),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=({0: batch}, {0: batch}),
            custom_translation_table=TRANSLATIONS,
            input_names=['dense_boxes', 'dense_scores'],
            output_names=[*DETECTIONS, 'prior_index'],
            verbose=False,
        )
    program.save(path)
    return onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])


def dense(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 20, (images, 60, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 20, (images, 60, 2))], 2)
    return boxes.astype(np.float32), rng.uniform(0, 1, (images, 60, 3)).astype(np.float32) ** 2


@pytest.mark.parametrize('images', [1, 2, 5])
@pytest.mark.parametrize('seed', range(5))
def test_every_image_equals_the_selection_in_numpy(session, images, seed):
    boxes, scores = dense(images, seed)
    scores[0] *= seed % 2  # an image without detections among others
    scores[-1, 10:] *= seed != 2  # fewer than the limit
    count, *detections, prior_index = session.run(None, dict(dense_boxes=boxes, dense_scores=scores))
    for i in range(images):
        np.testing.assert_array_equal(boxes[i, prior_index[i, : count[i]]], detections[0][i, : count[i]])
        expected = select(boxes[i], scores[i], NMS)
        for values, wanted in zip(detections, expected, strict=True):
            np.testing.assert_array_equal(values[i, : count[i]], wanted)
    assert count.max() <= NMS['max_per_img']


@pytest.mark.parametrize('seed', range(3))
def test_a_limit_of_each_class_equals_the_selection_in_numpy(limited, seed):
    session, per_class = limited
    boxes, scores = dense(2, seed)
    count, *detections, _ = session.run(None, dict(dense_boxes=boxes, dense_scores=scores))
    for i in range(2):
        expected = select(boxes[i], scores[i], NMS | dict(max_per_class=per_class))
        assert np.bincount(expected[2], minlength=3).tolist() == [per_class] * 3
        for values, wanted in zip(detections, expected, strict=True):
            np.testing.assert_array_equal(values[i, : count[i]], wanted)


def test_rows_after_the_count_are_padding(session):
    boxes, scores = dense(1, 0)
    count, boxes, scores, labels, prior_index = session.run(None, dict(dense_boxes=boxes, dense_scores=scores * 0))
    assert not prior_index.any()
    assert count.tolist() == [0] and not boxes.any() and not scores.any() and (labels == -1).all()
    assert boxes.shape == (1, 25, 4)


def test_the_operator_does_not_run_in_torch():
    with pytest.raises(NotImplementedError):
        Selecting()(torch.zeros(1, 60, 4), torch.zeros(1, 60, 3))
