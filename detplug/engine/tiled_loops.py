"""Validation and test of pictures in tiles: the model sees tiles, the evaluator sees pictures.

T tiles of a picture.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import LOOPS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.runner import TestLoop, ValLoop, autocast
from mmengine.structures import InstanceData

from detplug.errors import UserError
from detplug.images.tile_joining import join_tiles


class TiledBatches:
    """What both loops do with a batch of ``TiledPictures``.

    Args:
        tile_batch: tiles that the model sees at once.
        **kwargs: as mmengine's loop.

    A metric's ``max_dets`` is one of a tile; a picture may have as many times more as the largest has tiles.
    """

    def __init__(self, *args: Any, tile_batch: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tile_batch = tile_batch
        most = self.dataloader.dataset.most_tiles()
        for metric in self.evaluator.metrics:
            if hasattr(metric, 'max_dets'):
                metric.max_dets *= most

    def _predict(self, step: Any, batch: Sequence[Any]) -> list[DetDataSample]:
        """The samples of the pictures, each with the objects of all its tiles."""
        pictures = []
        for picture in batch:
            seen: list[DetDataSample] = []
            for start in range(0, len(picture.tiles), self.tile_batch):
                part = slice(start, start + self.tile_batch)
                with autocast(enabled=self.fp16):
                    seen += step(dict(inputs=picture.inputs[part], data_samples=picture.data_samples[part]))
            pictures.append(join_samples(seen, picture.tiles, picture.size))
        return pictures


@LOOPS.register_module()
class TiledValLoop(TiledBatches, ValLoop):
    """mmengine's ValLoop over :class:`detplug.data.tiled_datasets.TiledPictures`."""

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[Any]) -> None:
        self.runner.call_hook('before_val_iter', batch_idx=idx, data_batch=data_batch)
        outputs = self._predict(self.runner.model.val_step, data_batch)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook('after_val_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)


@LOOPS.register_module()
class TiledTestLoop(TiledBatches, TestLoop):
    """mmengine's TestLoop over :class:`detplug.data.tiled_datasets.TiledPictures`."""

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[Any]) -> None:
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        outputs = self._predict(self.runner.model.test_step, data_batch)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook('after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)


def join_samples(samples: Sequence[DetDataSample], tiles: np.ndarray, size: tuple[int, int]) -> DetDataSample:
    """One sample of the picture: the first tile's annotations, and ``pred_instances`` of all tiles, each object once.

    Args:
        samples: of the T tiles; ``pred_instances`` in pixels of each tile.
        tiles: (T, 4) xyxy px of the picture. size: (width, height) of it.

    Raises:
        UserError: the model predicts something beside boxes.
    """
    picture = samples[0]
    width, height = size
    picture.set_metainfo(dict(ori_shape=(height, width)))
    predictions = [sample.pred_instances for sample in samples]
    beside = {name for name in picture.all_keys() if name.startswith('pred_') and name != 'pred_instances'}
    beside |= {'masks'} & {*predictions[0].keys()}
    if beside:
        raise UserError(
            f'--tile: the model predicts {", ".join(sorted(beside))}, and only boxes are joined; leave it out'
        )
    if len(tiles) == 1:
        return picture
    counts = [len(part) for part in predictions]
    detections = InstanceData.cat([part for part in predictions if len(part)] or predictions[:1])
    tile = np.repeat(np.arange(len(tiles)), counts)
    boxes = get_box_tensor(detections.bboxes)
    moved = boxes.detach().cpu().numpy().astype(np.float64).reshape(-1, 4) + np.tile(tiles[tile, :2], 2)
    scores, labels = (detections[name].detach().cpu().numpy() for name in ('scores', 'labels'))
    joined = join_tiles(moved, scores, labels, tile, tiles, size)
    detections = detections[torch.as_tensor(joined.view, device=boxes.device)]
    detections.bboxes = boxes.new_tensor(joined.boxes)
    detections.scores = detections.scores.new_tensor(joined.scores)
    picture.pred_instances = detections
    return picture
