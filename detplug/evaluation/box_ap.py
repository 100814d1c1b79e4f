"""The metric ``BoxAP``: COCO's box AP that loses no image, whatever the number of processes."""

from collections.abc import Mapping, Sequence

from mmdet.registry import METRICS
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric

from detplug.errors import UserError
from detplug.evaluation.coco_ap import box_metrics
from detplug.evaluation.image_result import ImageResult


@METRICS.register_module()
class BoxAP(BaseMetric):
    """COCO average precision of boxes; the truth comes from the data samples' ``instances``.

    The test pipeline ends with ``PackDetInputs(meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
    'scale_factor', 'instances'))``. After an evaluation the main process holds ``images``: one
    :class:`ImageResult` an image, ordered by image id.

    Args:
        max_dets: detections of a class that count in an image; COCO's 100 caps images with more objects.
    """

    default_prefix = ''  # names as they are: map, map50, ...

    def __init__(self, max_dets: int = 300, prefix: str | None = None) -> None:
        super().__init__(collect_device='cpu', prefix=prefix)
        if max_dets < 1:
            raise UserError(f'config: BoxAP: max_dets is {max_dets}; give a number of at least 1')
        self.max_dets = max_dets
        self.images: list[ImageResult] = []

    def process(self, data_batch, data_samples: Sequence[Mapping]) -> None:
        """Keep truth and prediction of a batch.

        Raises:
            UserError: the data samples lack a meta key.
        """
        self.results += [ImageResult.from_data_sample(sample) for sample in data_samples]

    def evaluate(self, size: int) -> dict[str, float]:
        """Figures over the ``size`` images of the data set; the same on every process.

        Images are matched by id: copies that pad the last batch are dropped.

        Raises:
            UserError: an image is missing, two images share an id, or a label of the truth is none of the classes.
        """
        self.images = gather_images(self.results, size)
        self.results.clear()
        check_labels(self.images, len(self.dataset_meta['classes']))
        metrics = [self.compute_metrics(self.images) if is_main_process() else None]
        broadcast_object_list(metrics)
        return metrics[0]

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """Flat figures of ``results``; see :func:`detplug.evaluation.coco_ap.box_metrics`."""
        metrics = box_metrics(results, self.dataset_meta['classes'], self.max_dets)
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()} if self.prefix else metrics


def gather_images(local: list[ImageResult], size: int) -> list[ImageResult]:
    """The images of all processes, each once, ordered by image id.

    Every process gets all of them, so that all fail alike when one image is missing.

    Args:
        local: what this process evaluated.
        size: number of images of the data set.

    Raises:
        UserError: there are not exactly ``size`` ids, or one id stands for two files.
    """
    by_id: dict[int | str, ImageResult] = {}
    for part in all_gather_object(local):
        for image in part:
            first = by_id.setdefault(image.img_id, image)
            if first.img_path != image.img_path:
                raise UserError(
                    f'evaluation: img_id {image.img_id}: stands for {first.img_path} and {image.img_path}; '
                    'give every image an id of its own'
                )
    if len(by_id) != size:
        what = (
            f'{size - len(by_id)} of {size} images were not evaluated'
            if len(by_id) < size
            else f'{len(by_id)} images were evaluated, the data set has {size}'
        )
        raise UserError(f'evaluation: img_id: {what}; every image needs an id of its own and must be evaluated once')
    return [by_id[key] for key in sorted(by_id, key=lambda key: (isinstance(key, str), key))]


def check_labels(images: Sequence[ImageResult], num_classes: int) -> None:
    """Every object that counts has a label 0 .. ``num_classes`` - 1.

    Raises:
        UserError: the first label that is not.
    """
    for image in images:
        wrong = image.gt_labels[~image.gt_ignored & ((image.gt_labels < 0) | (image.gt_labels >= num_classes))]
        if wrong.size:
            raise UserError(
                f'{image.img_path or image.img_id}: bbox_label: {wrong[0]} is none of the '
                f'{num_classes} classes; check the classes of the data set'
            )
