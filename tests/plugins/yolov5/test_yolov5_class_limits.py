"""A limit of detections a class: torch, the exported graph and the numpy selection of raw bundles keep the same boxes.

The detector's image is its output map, so that every candidate can be placed: one level, stride 8, three anchors of
8 px.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import MODELS
from torch import nn

import plugins.yolov5.register  # noqa: F401
from detplug.errors import UserError
from detplug.export import graph
from detplug.export.exportable import Selection
from detplug.runtime.decode import anchor_grid
from detplug.runtime.detections import select

sys.path.append(str(Path(__file__).resolve().parents[2] / 'export'))
from eager_operators import select as eager_select

CLASSES, CELLS, CHANNELS = 3, 40, 3 * 8
CONFIG = dict(score_thr=0.001, nms=dict(type='nms', iou_threshold=0.5), max_per_img=900, multi_label=True)
RARE = 2  # label


class MapDetector(nn.Module):
    """Its feature map is the image, 8 x 8 px a cell, and its head's convolution changes nothing."""

    def __init__(self, **test_cfg):
        super().__init__()
        head = dict(type='YOLOv5Head', num_classes=CLASSES, in_channels=[CHANNELS], anchors=[[(8, 8)] * 3], strides=[8])
        self.bbox_head = MODELS.build(dict(head, test_cfg=CONFIG | test_cfg))
        nn.init.dirac_(self.bbox_head.convs[0].weight)
        nn.init.zeros_(self.bbox_head.convs[0].bias)

    def extract_feat(self, images):
        return (F.pixel_unshuffle(images, 8)[:, :CHANNELS],)


def as_image(maps: torch.Tensor) -> torch.Tensor:
    """(1, 3, 8 H, 8 W) whose features are ``maps`` (1, CHANNELS, H, W)."""
    return F.pixel_shuffle(F.pad(maps, (0, 0, 0, 0, 0, 3 * 64 - CHANNELS)), 8)


def crowd(frequent: int, rare: int, seed: int = 0) -> torch.Tensor:
    """Maps with ``frequent`` candidates of class 0 that score .5 to .9 and ``rare`` of class 2 that score .1 to .4.

    Of the three anchors of a cell, which are equal, the first are filled first: up to 1,600 none suppresses another.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = torch.full((3, 8, CELLS, CELLS), -20.0)
    maps[:, :4] = 0.0  # a box of the anchor's size in the middle of its cell
    order = torch.cat([turn * CELLS**2 + torch.randperm(CELLS**2, generator=generator) for turn in range(3)])
    place, count = torch.cat([order[:rare], order[rare : rare + frequent]]), rare + frequent
    anchor, row, column = place // CELLS**2, place % CELLS**2 // CELLS, place % CELLS
    scores = torch.cat([torch.linspace(0.1, 0.4, rare), 0.5 + 0.4 * torch.rand(frequent, generator=generator)])
    labels = torch.cat([torch.full((rare,), RARE), torch.zeros(frequent, dtype=torch.int64)])
    maps[anchor, 4, row, column] = 20.0
    maps[anchor, 5 + labels, row, column] = scores.logit()
    assert len(scores) == count
    return maps.flatten(0, 1)[None]


def by_torch(model: MapDetector, maps: torch.Tensor) -> tuple[np.ndarray, ...]:
    height, width = maps.shape[2:]
    with torch.no_grad():
        detections = model.bbox_head.predict_by_feat((maps,), [dict(img_shape=(8 * height, 8 * width))])[0]
    return detections.bboxes.numpy(), detections.scores.numpy(), detections.labels.numpy()


def by_numpy(model: MapDetector, maps: torch.Tensor) -> tuple[np.ndarray, ...]:
    boxes, scores = anchor_grid([maps.numpy()], model.bbox_head.decode_rule())
    return select(boxes[0], scores[0], Selection.of(model).rule())


def by_graph(model: MapDetector, maps: torch.Tensor, folder: Path, **options) -> tuple[np.ndarray, ...]:
    side = maps.shape[-1] * 8
    graph.write_graph(model, folder / 'model.onnx', **dict(size=side) | options)
    session = onnxruntime.InferenceSession(folder / 'model.onnx', providers=['CPUExecutionProvider'])
    count, *detections = session.run(None, {graph.INPUT: as_image(maps).numpy()})[:4]
    return tuple(x[0, : count[0]] for x in detections)


def same(detections: tuple[np.ndarray, ...], wanted: tuple[np.ndarray, ...]) -> None:
    np.testing.assert_array_equal(detections[2], wanted[2])
    np.testing.assert_allclose(detections[1], wanted[1], atol=1e-6)
    np.testing.assert_allclose(detections[0], wanted[0], atol=1e-3)


@pytest.mark.parametrize(
    ('frequent', 'settings'),
    [(1000, {}), (4000, {}), (4000, dict(nms_pre=3000))],
    ids=['boxes', 'candidates', 'candidates before suppression'],
)
def test_a_crowd_of_one_class_takes_no_place_of_another(frequent, settings, tmp_path):
    """4,000 candidates are more than the graph's suppression looks at, and than ``nms_pre``."""
    model, maps = MapDetector(max_per_class=300, **settings), crowd(frequent, 5)
    detections = by_torch(model, maps)
    assert np.bincount(detections[2], minlength=CLASSES).tolist() == [300, 0, 5]
    assert (np.diff(detections[1]) <= 0).all()
    same(by_numpy(model, maps), detections)
    same(by_graph(model, maps, tmp_path), detections)


def test_an_input_of_any_size_keeps_them_too(tmp_path):
    model = MapDetector(max_per_class=300)
    for maps in (crowd(4000, 5), crowd(1000, 5)[..., : CELLS // 2]):
        detections = by_graph(model, maps, tmp_path, size=graph.InputSize(None, None))
        same(detections, by_torch(model, maps))
        assert (detections[2] == RARE).any()


def test_without_the_limit_the_crowd_takes_all(tmp_path):
    """The effect that the limit removes is there: otherwise the tests above would show nothing."""
    model, maps = MapDetector(), crowd(1000, 5)
    for detections in (by_torch(model, maps), by_numpy(model, maps), by_graph(model, maps, tmp_path)):
        assert np.bincount(detections[2], minlength=CLASSES).tolist() == [900, 0, 0]
    assert 'max_per_class' not in Selection.of(model).rule()


@pytest.mark.parametrize('kind', ['nms', 'soft_nms'])
def test_the_limit_holds_for_every_kind_of_suppression(kind):
    model = MapDetector(max_per_class=300, nms=dict(type=kind, iou_threshold=0.5))
    assert np.bincount(by_torch(model, crowd(1000, 5))[2], minlength=CLASSES).tolist() == [300, 0, 5]


@given(
    seed=st.integers(0, 10**6), per_class=st.sampled_from([None, 1, 2, 7, 40]), limit=st.sampled_from([3, 60, 900]),
    multi_label=st.booleans(),
)  # fmt: skip
def test_torch_graph_and_numpy_agree(seed, per_class, limit, multi_label):
    """The graph in torch's operators; that its ONNX form does what they do is test_nms_op.py's."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(1, CHANNELS, 8, 8, generator=generator) * 1.5
    model = MapDetector(max_per_class=per_class, max_per_img=limit, multi_label=multi_label)
    detections = by_torch(model, maps)
    dense = by_numpy(model, maps)
    inside = dense[0].clip(0, 64)
    same((inside, *dense[1:]), detections)
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(graph, 'select_detections', eager_select)
        count, boxes, scores, labels = graph.DetectionGraph(model, Selection.of(model))(as_image(maps))
    rows = tuple(x[0, : count[0]].numpy() for x in (boxes, scores, labels))
    same((rows[0].clip(0, 64), *rows[1:]), detections)
    counts = np.bincount(detections[2], minlength=CLASSES)
    assert len(detections[2]) <= limit and (per_class is None or counts.max() <= per_class)


@pytest.mark.parametrize('limit', [0, -1, 2.5, True, 'many'])
def test_what_is_no_limit_is_refused(limit):
    with pytest.raises(UserError, match='test_cfg: max_per_class: .* is no whole number above 0'):
        MapDetector(max_per_class=limit)
