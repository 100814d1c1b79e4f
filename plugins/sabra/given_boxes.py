"""``predict --boxes FILE``: relations between boxes that a detector outside found in the user's pictures."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from detplug.export.pipeline import kind_of

PACK = 'PackRelations'


@TRANSFORMS.register_module()
class PictureSize(BaseTransform):
    """``height`` and ``width`` of a picture in memory in place of its pixels, which `boxes` mode does not look at."""

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        return {key: value for key, value in results.items() if key != 'img'} | dict(height=height, width=width)


def prediction_steps(steps: Sequence[dict], file: str, classes: tuple[str, ...], annotations: str | None) -> list[dict]:
    """The transforms of a picture in memory: its size, the boxes of ``file``, and the test pipeline's PackRelations.

    Args:
        annotations: COCO json whose ids ``file`` has.
    """
    pack = next((step for step in steps if kind_of(step) == PACK), dict(type=PACK))
    boxes = dict(type='FileProposals', file=file, classes=classes, annotations=annotations)
    return [dict(type='PictureSize'), boxes, pack]
