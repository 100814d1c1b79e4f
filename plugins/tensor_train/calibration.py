"""What a rank selection looks at: images of the training split, and the objects cut out of them.

Images pass a letterbox and stay uint8; the detector's own normalisation follows where they run. Nothing is augmented.
N images, M objects.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import Tensor, nn

from detplug.data.letterbox import Letterbox
from detplug.errors import UserError
from detplug.export.images import image_paths, split_items
from detplug.images.reading import read_image

from .ranks import CalibrationData

BATCH = 8


def calibration_data(
    model: nn.Module, cfg: Config, side: int, images: int = 64, crops: int = 600, crop_side: int = 96, seed: int = 0
) -> CalibrationData:
    """Images and objects of the config's training split.

    Args:
        model: detector on which they will run.
        side: of the square images, px.
        images, crops: at most so many; drawn by ``seed``.
        crop_side: of the square crops, px.

    Raises:
        UserError: no training split, or none of its pictures is there.
    """
    paths = image_paths(cfg, 'train', images, seed)
    pictures = letterboxed(map(read_image, paths), side)
    items = split_items(cfg, 'train')
    cut, labels = object_crops(items, crops, seed)
    small = letterboxed(cut, crop_side)
    labels = torch.tensor(labels, dtype=torch.int64)
    return CalibrationData(runner_of(model), pictures.split(BATCH), small, labels, image_objects(items, paths, side))


def image_objects(items: Sequence[dict], paths: Sequence[Path], side: int) -> list[Tensor]:
    """Of each picture (M, 5) boxes xyxy of its objects, px of the letterboxed picture, and their classes.

    Ignored objects are left out.
    """
    listed = {Path(item['img_path']): item for item in items}
    objects = []
    for path in paths:
        item = listed[path]
        rows = [[*x['bbox'], x['bbox_label']] for x in item['instances'] if not x.get('ignore_flag', 0)]
        boxes = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
        scale = min(side / item['height'], side / item['width'])
        size = torch.tensor([item['width'], item['height']] * 2) * scale
        boxes[:, :4] = boxes[:, :4] * scale + (side - size) / 2
        objects.append(boxes)
    return objects


def runner_of(model: nn.Module) -> Callable[[Tensor], object]:
    """Function that runs a detector on images (N, 3, H, W), uint8 BGR, as far as its raw outputs."""

    def run(images: Tensor):
        shape = tuple(images.shape[2:])
        meta = dict(img_shape=shape, ori_shape=shape, batch_input_shape=shape, scale_factor=(1.0, 1.0))
        samples = [DetDataSample(metainfo=meta) for _ in images]
        inputs = model.data_preprocessor(dict(inputs=list(images), data_samples=samples), False)
        return model(**inputs, mode='tensor')

    return run


def letterboxed(pictures: Iterable[np.ndarray], side: int) -> Tensor:
    """(H, W, 3) uint8 BGR pictures -> (N, 3, side, side) uint8."""
    fit = Letterbox(scale=(side, side), fixed=True, centre=True)
    images = [torch.from_numpy(fit.transform(dict(img=x))['img'].transpose(2, 0, 1).copy()) for x in pictures]
    return torch.stack(images) if images else torch.zeros(0, 3, side, side, dtype=torch.uint8)


def object_crops(items: Sequence[dict], count: int, seed: int) -> tuple[list[np.ndarray], list[int]]:
    """Pictures of at most ``count`` objects and their labels; of every class nearly the same number where it has them.

    Boxes are cut out as they are, at least one pixel wide; ignored objects and missing pictures are left out.
    """
    objects = [
        (item['img_path'], instance['bbox'], instance['bbox_label'])
        for item in items
        for instance in item['instances']
        if not instance.get('ignore_flag', 0)
    ]
    chosen = _balanced(np.array([label for *_, label in objects], np.int64), count, seed)
    crops, labels, path, image = [], [], None, None
    for index in sorted(chosen, key=lambda i: (objects[i][0], i)):
        item_path, box, label = objects[index]
        if item_path != path:
            path, image = item_path, _picture(item_path)
        if image is None:
            continue
        left, top, right, bottom = (int(x) for x in (*np.floor(box[:2]), *np.ceil(box[2:])))
        cut = image[max(top, 0) : max(bottom, top + 1), max(left, 0) : max(right, left + 1)]
        if cut.size:
            crops.append(cut)
            labels.append(int(label))
    return crops, labels


def _picture(path: str) -> np.ndarray | None:
    try:
        return read_image(path)
    except UserError as error:
        if 'not found' in str(error):  # a data set whose pictures are there in part
            return None
        raise


def _balanced(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Places of at most ``count`` labels: turn by turn one of each class, in an order drawn by ``seed``."""
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        mine = order[labels[order] == label]
        turn[mine] = np.arange(len(mine))
    return order[np.argsort(turn[order], kind='stable')][:count]
