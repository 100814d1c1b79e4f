"""``predict --boxes FILE``: relations between boxes that a detector outside found in the user's pictures."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from detplug.export.pipeline import kind_of

PACK, GIVEN = 'PackRelations', 'FileProposals'
OPTIONS = ('rename', 'features', 'most')  # of the test pipeline's FileProposals that hold for other files too


@TRANSFORMS.register_module()
class PictureSize(BaseTransform):
    """``height`` and ``width`` of a picture in memory in place of its pixels, which `boxes` mode does not look at."""

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        return {key: value for key, value in results.items() if key != 'img'} | dict(height=height, width=width)


def prediction_steps(steps: Sequence[dict], file: str, classes: tuple[str, ...], annotations: str | None) -> list[dict]:
    """The transforms of a picture in memory: its size, the boxes of ``file``, and the test pipeline's PackRelations.

    Args:
        steps: of the test pipeline.
        annotations: COCO json whose ids ``file`` has.
    """
    by_kind = {kind_of(step): step for step in steps}
    options = given_options(steps)
    ids = annotations if file.lower().endswith('.json') else None  # the others have no ids
    boxes = dict(type=GIVEN, file=file, classes=classes, annotations=ids, by_name=True, **options)
    return [dict(type='PictureSize'), boxes, by_kind.get(PACK, dict(type=PACK))]


def given_options(steps: Sequence[dict]) -> dict:
    """:data:`OPTIONS` of the test pipeline's FileProposals; none where its boxes come from elsewhere."""
    by_kind = {kind_of(step): step for step in steps}
    return {key: value for key, value in by_kind.get(GIVEN, {}).items() if key in OPTIONS}
