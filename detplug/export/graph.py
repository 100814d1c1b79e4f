"""From a detector to an ONNX graph, through torch's exporter (torch.export, onnxscript).

The host knows no detector: the head offers ``dense_predictions(feats) -> boxes (N, A, 4) xyxy input pixels, scores
(N, A, K)`` and, for graphs without decoding, ``raw_predictions(feats) -> tuple of (N, C, H, W)`` with
``decode_rule() -> dict`` that names a rule of :mod:`detplug.export.decode` and its constants.
"""

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

from detplug.errors import UserError
from detplug.export.decode import DECODERS
from detplug.export.nms_op import OPSET, TRANSLATIONS, select_detections

INPUT, SIZES = 'images', 'image_sizes'
DETECTIONS = ('count', 'boxes', 'scores', 'labels')


@dataclass(frozen=True)
class Selection:
    """How detections are selected from dense predictions.

    ``nms_pre`` of mmdet is absent: it limits the work of the torch path, and the graph needs no such limit.
    """

    score_thr: float
    iou_threshold: float
    max_per_img: int
    multi_label: bool

    @classmethod
    def of(cls, model: nn.Module) -> 'Selection':
        """The selection of a detector's ``test_cfg``.

        Raises:
            UserError: another kind of NMS than class-wise ``nms``.
        """
        cfg = model.bbox_head.test_cfg
        nms = dict(cfg['nms'])
        if nms.pop('type', 'nms') != 'nms' or nms.keys() - {'iou_threshold', 'split_thr'}:
            raise UserError(
                f'test_cfg: nms: {dict(cfg["nms"])} has no ONNX form here; '
                "use dict(type='nms', iou_threshold=...) or export with --raw"
            )
        return cls(
            float(cfg.get('score_thr', 0.0)),
            float(nms['iou_threshold']),
            int(cfg['max_per_img']),
            bool(cfg.get('multi_label', True)),
        )


class Found(NamedTuple):
    """Detections in the graph: ``count`` (N,), ``boxes`` (N, D, 4) xyxy input pixels, ``scores``, ``labels`` and
    ``places`` (N, D). Rows from ``count`` on are padding: zero boxes with score 0, label -1, place 0."""

    count: Tensor
    boxes: Tensor
    scores: Tensor
    labels: Tensor
    places: Tensor


class DetectionGraph(nn.Module):
    """Images (N, 3, S, S) -> count (N,), boxes (N, D, 4); scores, labels and extra outputs (N, D, ...) each.

    A model with ``extra_outputs`` (names) has ``describe_found(feats, found: Found, sizes) -> tuple of (N, D, ...)``.
    One with ``needs_image_sizes`` gets ``sizes`` (N, 2), width and height in pixels of the image within its input, as a
    second input of the graph.
    """

    def __init__(self, model: nn.Module, selection: Selection):
        super().__init__()
        self.model, self.selection = model, selection
        self.describes = bool(extra_outputs(model))

    def forward(self, images: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        feats = self.model.extract_feat(images)
        boxes, scores = self.model.bbox_head.dense_predictions(feats)
        if not self.selection.multi_label:
            scores = scores * (scores == scores.amax(dim=-1, keepdim=True))
        chosen = self.selection
        found = Found(*select_detections(boxes, scores, chosen.score_thr, chosen.iou_threshold, chosen.max_per_img))
        more = self.model.describe_found(feats, found, sizes) if self.describes else ()
        return (*found[:-1], *more)


def extra_outputs(model: nn.Module) -> tuple[str, ...]:
    """What the model says of each detection beside box, score and label: names of (N, D, ...) outputs."""
    return tuple(getattr(model, 'extra_outputs', ()))


def needs_image_sizes(model: nn.Module) -> bool:
    """Whether the graph needs to know where an image ends in its padded input."""
    return bool(getattr(model, 'needs_image_sizes', False))


class RawGraph(nn.Module):
    """Images (N, 3, S, S) -> the head's feature maps, one (N, C, H, W) a level."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.bbox_head.raw_predictions(self.model.extract_feat(images)))


def check_exportable(model: nn.Module, raw: bool) -> None:
    """Refuse detectors whose head does not offer what the graph is made of.

    Raises:
        UserError: a two-stage detector, or a head without the method that is needed.
    """
    head = getattr(model, 'bbox_head', None)
    for method in ('raw_predictions', 'decode_rule') if raw else ('dense_predictions',):
        if not hasattr(head, method):
            name = type(model).__name__ if head is None else type(head).__name__
            cure = 'leave --raw out' if raw else 'export a one-stage detector such as YOLOv5'
            raise UserError(f'model: {name} has no {method}, so it has no ONNX form here; {cure}')
    if raw and head.decode_rule()['type'] not in DECODERS:
        raise UserError(
            f'model: decode rule {head.decode_rule()["type"]!r} is unknown to the runtime; '
            f'it has {", ".join(DECODERS)}; export without --raw'
        )


def write_graph(model: nn.Module, path: Path, side: int, raw: bool = False, dynamic_batch: bool = False) -> list[str]:
    """Write the ONNX graph of ``model`` for square inputs of ``side`` pixels; returns the names of its outputs.

    Of a model with ``prepare_export()`` a copy is written, after that was called on it.
    """
    if hasattr(model, 'prepare_export'):
        model = copy.deepcopy(model)
        model.prepare_export()
    images = torch.zeros(2 if dynamic_batch else 1, 3, side, side)
    inputs, input_names = (images,), [INPUT]
    if not raw and needs_image_sizes(model):
        inputs, input_names = (images, torch.full((len(images), 2), float(side))), [INPUT, SIZES]
    graph = RawGraph(model) if raw else DetectionGraph(model, Selection.of(model))
    names = [f'level{i}' for i in range(_levels(graph, images))] if raw else [*DETECTIONS, *extra_outputs(model)]
    batch = torch.export.Dim('batch')
    shapes = tuple({0: batch} for _ in inputs) if dynamic_batch else None
    with quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            graph.eval(),
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=input_names,
            output_names=names,
            dynamic_shapes=shapes,
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
