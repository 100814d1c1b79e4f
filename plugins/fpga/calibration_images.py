"""Images of a split of a config, as its detector takes them: for the choice of scales."""

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from torch import Tensor, nn

from detplug.data.letterbox import Letterbox
from detplug.export.images import image_paths
from detplug.images.reading import read_image

BATCH = 8


def calibration_images(model: nn.Module, cfg: Config, side: int, count: int, split: str = 'train') -> list[Tensor]:
    """Batches (N, 3, side, side), 0 .. 1, of at most ``count`` images of a split, drawn without augmentation.

    Raises:
        UserError: no such split, or none of its pictures is there.
    """
    fit = Letterbox(scale=(side, side), fixed=True, centre=True)
    pictures = [
        torch.from_numpy(fit.transform(dict(img=read_image(path)))['img'].transpose(2, 0, 1).copy())
        for path in image_paths(cfg, split, count)
    ]
    return [_preprocessed(model, pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]


def _preprocessed(model: nn.Module, pictures: list[Tensor]) -> Tensor:
    shape = tuple(pictures[0].shape[1:])
    samples = [DetDataSample(metainfo=dict(img_shape=shape, ori_shape=shape)) for _ in pictures]
    return model.data_preprocessor(dict(inputs=pictures, data_samples=samples), False)['inputs']
