"""One-stage detectors: YOLOv5, YOLOX, RTMDet, FCOS, RetinaNet and all whose head predicts from maps alone."""

from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from .adapter import DetectorAdapter


@TASK_UTILS.register_module()
class DenseAdapter(DetectorAdapter):
    """``bbox_head.predict(maps, samples)``."""

    def boxes(self, maps: tuple[Tensor, ...], samples: list[DetDataSample]) -> list[InstanceData]:
        """As :class:`DetectorAdapter`."""
        return self.detector.bbox_head.predict(maps, samples, rescale=False)
