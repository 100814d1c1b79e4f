"""Two-stage detectors: Faster R-CNN, Cascade R-CNN and all with ``rpn_head`` and ``roi_head``."""

from mmdet.registry import TASK_UTILS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from .adapter import DetectorAdapter


@TASK_UTILS.register_module()
class TwoStageAdapter(DetectorAdapter):
    """Regions of the RPN, then ``roi_head.predict``; ``proposals`` of a sample are no regions to it."""

    def boxes(self, maps: tuple[Tensor, ...], samples: list[DetDataSample]) -> list[InstanceData]:
        """As :class:`DetectorAdapter`."""
        regions = self.detector.rpn_head.predict(maps, samples, rescale=False)
        return self.detector.roi_head.predict(maps, regions, samples, rescale=False)
