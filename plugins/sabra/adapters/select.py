"""Which adapter a detector needs."""

from mmdet.models.detectors import DetectionTransformer, SingleStageDetector, TwoStageDetector
from mmdet.registry import TASK_UTILS
from torch import nn

from detplug.errors import UserError

from .adapter import DetectorAdapter
from .dense import DenseAdapter
from .queries import QueryAdapter
from .two_stage import TwoStageAdapter

ADAPTERS = {DetectionTransformer: QueryAdapter, TwoStageDetector: TwoStageAdapter, SingleStageDetector: DenseAdapter}


def adapter_of(detector: nn.Module, config: dict | None = None) -> DetectorAdapter:
    """The adapter that ``config`` names, by default that of the detector's kind.

    Raises:
        UserError: a detector of no known kind.
    """
    if config is not None:
        return TASK_UTILS.build(dict(config, detector=detector))
    for kind, adapter in ADAPTERS.items():
        if isinstance(detector, kind):
            return adapter(detector)
    names = ', '.join(kind.__name__ for kind in ADAPTERS)
    raise UserError(
        f'model.detector.type: {type(detector).__name__} is none of {names}; '
        'name a subclass of DetectorAdapter in model.adapter'
    )
