"""Which detectors have an ONNX form here, and how their detections are selected.

The host knows no detector of a plugin: its head offers ``dense_predictions(feats) -> boxes (N, A, 4) xyxy input pixels,
scores (N, A, K)`` and, for graphs without decoding, ``raw_predictions(feats) -> tuple of (N, C, H, W)`` with
``decode_rule() -> dict`` that names a rule of :mod:`detplug.runtime.decode` and its constants. Of mmdet's own detectors
those with a head of :data:`detplug.export.dense_heads.DENSE_HEADS` are taken, and Faster R-CNN.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import nn

from detplug.detection_limits import class_limit
from detplug.errors import UserError
from detplug.export.dense_heads import DENSE_HEADS, MOST
from detplug.runtime.decode import DECODERS

UNLIMITED = 1000  # detections an image of a model that states no limit (YOLOX)
WITHOUT_CLIPPING = ('YOLOXHead',)
STAGES = {  # classes of the parts of a Faster R-CNN whose predictions have a form here
    'rpn_head': ('RPNHead',),
    'roi_head': ('StandardRoIHead',),
    'roi_head.bbox_roi_extractor': ('SingleRoIExtractor',),
    'roi_head.bbox_head': ('Shared2FCBBoxHead', 'Shared4Conv1FCBBoxHead', 'ConvFCBBoxHead'),
}
CURE = 'RTMDet, YOLOX, RetinaNet, FCOS, Faster R-CNN and detectors of plugins export'


@dataclass(frozen=True)
class Selection:
    """How detections are selected from dense predictions."""

    score_thr: float
    iou_threshold: float
    max_per_img: int
    multi_label: bool
    max_per_class: int | None = None  # no limit

    @classmethod
    def of(cls, model: nn.Module) -> 'Selection':
        """The selection of a detector's ``test_cfg``; the model's ``export_limits``, a dict, replace values of it.

        Raises:
            UserError: another kind of NMS than class-wise ``nms``, more detections than the graph can have, or a limit
                a class that torch's head does not have.
        """
        head = model.roi_head if is_two_stage(model) else model.bbox_head
        cfg = dict(head.test_cfg, **getattr(model, 'export_limits', {}))
        limit = cfg.get('max_per_img', UNLIMITED)
        limit = int(limit) if limit > 0 else UNLIMITED
        if limit > MOST:
            raise UserError(f'test_cfg: max_per_img: {limit}, but a graph has at most {MOST}; give less')
        per_class = class_limit(cfg)
        if per_class is not None and not getattr(head, 'limits_per_class', False):
            raise UserError(f'test_cfg: max_per_class: {type(head).__name__} has no such limit; leave it out')
        score_thr, multi_label = float(cfg.get('score_thr', 0.0)), bool(cfg.get('multi_label', True))
        return cls(score_thr, nms_threshold(cfg, 'test_cfg'), limit, multi_label, per_class)

    def rule(self) -> dict:
        """The manifest's entry ``nms``; ``max_per_class`` is there where it is set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def nms_threshold(cfg: Mapping, where: str) -> float:
    """The IoU of ``cfg['nms']`` above which a box is suppressed.

    Raises:
        UserError: another kind of NMS than class-wise ``nms``.
    """
    nms = dict(cfg['nms'])
    if nms.pop('type', 'nms') != 'nms' or nms.keys() - {'iou_threshold', 'split_thr'}:
        raise UserError(
            f'{where}: nms: {dict(cfg["nms"])} has no ONNX form here; '
            "use dict(type='nms', iou_threshold=...) or export with --raw"
        )
    return float(nms['iou_threshold'])


def is_two_stage(model: nn.Module) -> bool:
    """Whether the model is a Faster R-CNN itself (not one with such a detector inside)."""
    return getattr(model, 'bbox_head', None) is None and hasattr(model, 'roi_head')


def has_dense_predictions(model: nn.Module) -> bool:
    """Whether its head has ``dense_predictions`` itself."""
    return hasattr(getattr(model, 'bbox_head', None), 'dense_predictions')


def needs_image_sizes(model: nn.Module) -> bool:
    """Whether the graph needs to know where an image ends in its input: mmdet clips boxes before it suppresses."""
    if getattr(model, 'needs_image_sizes', False):
        return True
    clips = type(getattr(model, 'bbox_head', None)).__name__ not in WITHOUT_CLIPPING
    return not has_dense_predictions(model) and clips


def check_exportable(model: nn.Module, raw: bool) -> None:
    """Refuse detectors that have no ONNX form here; needs no weights, so it can be asked before a training.

    A model with ``check_export()``, which raises UserError, is asked first.

    Raises:
        UserError: what it is, and which ones export.
    """
    if hasattr(model, 'check_export'):
        model.check_export()
    head = getattr(model, 'bbox_head', None)
    if raw:
        _check_raw(model, head)
        return
    if is_two_stage(model):
        _check_two_stage(model)
    elif not has_dense_predictions(model):
        _check_head(model, head)
    Selection.of(model)


def _check_raw(model: nn.Module, head: nn.Module | None) -> None:
    for method in ('raw_predictions', 'decode_rule'):
        if not hasattr(head, method):
            raise UserError(
                f'model: {type(model if head is None else head).__name__} has no {method}, so it has no ONNX form '
                'without decoding; leave --raw out'
            )
    if head.decode_rule()['type'] not in DECODERS:
        raise UserError(
            f'model: decode rule {head.decode_rule()["type"]!r} is unknown to the runtime; '
            f'it has {", ".join(DECODERS)}; export without --raw'
        )


def _check_head(model: nn.Module, head: nn.Module | None) -> None:
    if type(head).__name__ not in DENSE_HEADS or not type(head).__module__.startswith('mmdet.'):
        part = type(model).__name__ if head is None else f'{type(head).__name__} of {type(model).__name__}'
        raise UserError(f'model: {part} has no dense_predictions, so it has no ONNX form here; {CURE}')
    _check_boxes(head, 'bbox_head')


def _check_two_stage(model: nn.Module) -> None:
    for path, kinds in STAGES.items():
        part = model.get_submodule(path) if _has(model, path) else None
        if type(part).__name__ not in kinds or not type(part).__module__.startswith('mmdet.'):
            what = f'without {path}' if part is None else f'{path} {type(part).__name__}'
            raise UserError(f'model: {type(model).__name__}, {what}, has no ONNX form here; {CURE}')
    roi = model.roi_head
    others = [x for x in ('mask_head', 'shared_head') if getattr(roi, x, None) is not None]
    pools = {layer.pool_mode for layer in roi.bbox_roi_extractor.roi_layers} - {'avg'}
    if others or pools:
        what = f'roi_head.{others[0]}' if others else f'RoIAlign by {pools.pop()}'
        raise UserError(f'model: {type(model).__name__} with {what} has no ONNX form here; {CURE}')
    _check_boxes(model.rpn_head, 'rpn_head')
    _check_boxes(roi.bbox_head, 'roi_head.bbox_head')
    nms_threshold(model.rpn_head.test_cfg, 'test_cfg.rpn')


def _check_boxes(head: nn.Module, path: str) -> None:
    """How boxes are decoded, and the options that only some have.

    Raises:
        UserError: a coder, an activation or a smallest size that the graph does not have.
    """
    cfg, coder = getattr(head, 'test_cfg', None) or {}, getattr(head, 'bbox_coder', None)
    odd = [
        f'bbox_coder {type(coder).__name__}'
        if type(coder).__name__ not in ('NoneType', 'DeltaXYWHBBoxCoder', 'DistancePointBBoxCoder')
        else '',
        'bbox_coder.add_ctr_clamp' if getattr(coder, 'add_ctr_clamp', False) else '',
        'bbox_coder.clip_border=False' if not getattr(coder, 'clip_border', True) else '',
        'a loss with its own activation' if getattr(head.loss_cls, 'custom_cls_channels', False) else '',
        f'test_cfg.min_bbox_size={cfg.get("min_bbox_size")}' if cfg.get('min_bbox_size', -1) > 0 else '',
    ]
    for what in filter(None, odd):
        raise UserError(f'model: {path}: {type(head).__name__} with {what} has no ONNX form here; {CURE}')


def _has(model: nn.Module, path: str) -> bool:
    for name in path.split('.'):
        model = getattr(model, name, None)
    return model is not None
