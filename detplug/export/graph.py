"""From a detector to an ONNX graph, through torch's exporter (torch.export, onnxscript)."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from detplug.export.dense_heads import DENSE_HEADS, MOST, take
from detplug.export.exportable import (
    Selection,
    check_exportable,
    has_dense_predictions,
    is_two_stage,
    needs_image_sizes,
)
from detplug.export.nms_op import OPSET, TRANSLATIONS, select_detections
from detplug.export.two_stage import two_stage_predictions

__all__ = ['Selection', 'check_exportable', 'needs_image_sizes', 'write_graph']

INPUT, SIZES = 'images', 'image_sizes'
DETECTIONS = ('count', 'boxes', 'scores', 'labels')


@dataclass(frozen=True)
class InputSize:
    """The network's input, px; a side that is None is any multiple of ``multiple``."""

    height: int | None
    width: int | None
    multiple: int = 32

    def dynamic(self, batch: bool) -> dict:
        """Dimensions of (N, 3, H, W) that are not fixed, for torch.export."""
        sides = {
            axis: name for axis, name, side in ((2, 'rows', self.height), (3, 'columns', self.width)) if side is None
        }
        return ({0: torch.export.Dim('batch')} if batch else {}) | {
            axis: self.multiple * torch.export.Dim(name, min=1, max=1024) for axis, name in sides.items()
        }

    def example(self, batch: bool) -> Tensor:
        """Images (N, 3, H, W) to trace with: sides that are not fixed differ, so that none is taken for the other."""
        height, width = self.height or 4 * self.multiple, self.width or 6 * self.multiple
        return torch.zeros(2 if batch else 1, 3, height, width)


class GraphDetections(NamedTuple):
    """Detections in the graph: ``count`` (N,), ``boxes`` (N, D, 4) xyxy input pixels, ``scores``, ``labels`` and
    ``prior_index`` (N, D), which prior (anchor, point or proposal) of the image each came from. Rows from ``count`` on
    are padding: zero boxes with score 0, label -1, prior 0."""

    count: Tensor
    boxes: Tensor
    scores: Tensor
    labels: Tensor
    prior_index: Tensor


class DetectionGraph(nn.Module):
    """Images (N, 3, H, W) -> count (N,), boxes (N, D, 4); scores, labels and extra outputs (N, D, ...) each.

    A model with ``extra_outputs`` (names) has ``describe_detections(images, feats, detections, sizes)``, which gives a
    tuple of (N, D, ...) for :class:`GraphDetections`.
    One with ``limit_detections(detections) -> detections`` reports fewer detections than suppression leaves.
    One with ``needs_image_sizes`` gets ``sizes`` (N, 2), width and height in pixels of the image within its input, as a
    second input of the graph.
    """

    def __init__(self, model: nn.Module, selection: Selection):
        super().__init__()
        self.model, self.selection = model, selection
        self.describes = bool(extra_outputs(model))

    def forward(self, images: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        feats = self.model.extract_feat(images)
        chosen = self.selection
        boxes, scores, score_thr = self.predictions(feats, sizes)
        if chosen.max_per_class is None:
            boxes, scores, anchors = best_anchors(boxes, scores)
        else:
            scores, anchors = best_of_each_class(scores), None
        limits = chosen.max_per_img, chosen.max_per_class or chosen.max_per_img
        detections = GraphDetections(*select_detections(boxes, scores, score_thr, chosen.iou_threshold, *limits))
        detections = (
            detections
            if anchors is None
            else detections._replace(prior_index=anchors.gather(1, detections.prior_index))
        )
        detections = self.model.limit_detections(detections) if hasattr(self.model, 'limit_detections') else detections
        more = self.model.describe_detections(images, feats, detections, sizes) if self.describes else ()
        return (*detections[:-1], *more)

    def predictions(self, feats: tuple[Tensor, ...], sizes: Tensor | None) -> tuple[Tensor, Tensor, float]:
        """Boxes (N, A, 4), scores (N, A, K), and the score above which the latter count."""
        if has_dense_predictions(self.model):
            boxes, scores = self.model.bbox_head.dense_predictions(feats)
            if not self.selection.multi_label:
                scores = scores * (scores == scores.amax(dim=-1, keepdim=True))
            return boxes, scores, self.selection.score_thr
        if is_two_stage(self.model):
            return *two_stage_predictions(self.model, feats, sizes), 0.0
        head = self.model.bbox_head
        return *DENSE_HEADS[type(head).__name__](head, feats, sizes), 0.0


def best_anchors(boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The 3840 anchors with the best scores: boxes (N, C, 4), scores (N, C, K) and their index (N, C).

    Suppression looks at every anchor in each of K classes; 25,200 anchors take it longer than an int8 network takes.
    What is left out matters only where suppression leaves less than ``max_per_img`` of these.
    """
    count = boxes.shape[1]
    if isinstance(count, int) and count <= MOST:
        return boxes, scores, torch.arange(count).expand(boxes.shape[0], -1)
    best = scores.amax(-1)
    if not isinstance(count, int):  # of an input of any size, which may have fewer
        best = torch.cat([best, best.new_full((best.shape[0], MOST), -1.0)], 1)
    index = best.topk(MOST).indices
    index = torch.where(index < count, index, 0) if not isinstance(count, int) else index
    scores = take(scores, index)
    if not isinstance(count, int):
        repeated = torch.arange(MOST) >= count  # the padding, which comes last
        scores = torch.where(repeated[:, None], 0.0, scores)
    return take(boxes, index), scores, index


def best_of_each_class(scores: Tensor) -> Tensor:
    """Scores (N, A, K) that are 0 where an anchor is not among the 3840 best of the class.

    :func:`best_anchors` orders anchors by the best of their classes: thousands of boxes of a frequent class would take
    the room of a rare one, which a limit of detections a class is to prevent.
    """
    count = scores.shape[1]
    if isinstance(count, int) and count <= MOST:
        return scores
    padded = scores
    if not isinstance(count, int):  # of an input of any size, which may have fewer
        padded = torch.cat([scores, scores.new_zeros(scores.shape[0], MOST, scores.shape[2])], 1)
    last = padded.topk(MOST, dim=1).values[:, -1:]
    return torch.where(scores >= last, scores, 0.0)


def extra_outputs(model: nn.Module) -> tuple[str, ...]:
    """What the model says of each detection beside box, score and label: names of (N, D, ...) outputs."""
    return tuple(getattr(model, 'extra_outputs', ()))


class RawGraph(nn.Module):
    """Images (N, 3, H, W) -> the head's feature maps, one (N, C, H, W) a level."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.bbox_head.raw_predictions(self.model.extract_feat(images)))


def write_graph(
    model: nn.Module, path: Path, size: int | InputSize, raw: bool = False, dynamic_batch: bool = False
) -> list[str]:
    """Write the ONNX graph of ``model``; returns the names of its outputs.

    Of a model with ``prepare_export()`` a copy is written, after that was called on it.

    Args:
        size: of the input; a number is the side of a square, px.
    """
    if hasattr(model, 'prepare_export'):
        model = copy.deepcopy(model)
        model.prepare_export()
    size = size if isinstance(size, InputSize) else InputSize(size, size)
    images = size.example(dynamic_batch)
    inputs, input_names, shapes = (images,), [INPUT], [size.dynamic(dynamic_batch)]
    if not raw and needs_image_sizes(model):
        inputs, input_names = (images, torch.tensor([images.shape[:1:-1]] * len(images)).float()), [INPUT, SIZES]
        shapes.append({0: shapes[0][0]} if dynamic_batch else {})
    graph = RawGraph(model) if raw else DetectionGraph(model, Selection.of(model))
    names = [f'level{i}' for i in range(_levels(graph, images))] if raw else [*DETECTIONS, *extra_outputs(model)]
    with quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            graph.eval(),
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=input_names,
            output_names=names,
            dynamic_shapes=tuple(shapes) if any(shapes) else None,
            custom_translation_table=TRANSLATIONS,
            verbose=False,
        )
    program.save(path, external_data=False)
    return names


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without what torch's exporter says about itself: deprecated calls, axes it renames, torchvision's absence."""
    logger = logging.getLogger('torch.onnx._internal.exporter._registration')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', category=FutureWarning)
            warnings.filterwarnings('ignore', message='# The axis name')
            yield
    finally:
        logger.setLevel(level)


def _levels(graph: RawGraph, images: Tensor) -> int:
    with torch.no_grad():
        return len(graph(images[:1]))
