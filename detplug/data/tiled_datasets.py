"""Data sets whose pictures are larger than the network's input: tiles to train on, whole pictures in tiles to test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import DATASETS, TRANSFORMS

from detplug.data.dataset_wrapper import DatasetWrapper
from detplug.data.image_cache import image_key
from detplug.data.images import check_size
from detplug.data.resized_image import LoadResizedImage
from detplug.data.tile_items import MIN_VISIBLE, tile_items
from detplug.errors import UserError
from detplug.images.letterbox import fit_size
from detplug.images.reading import check_image_file, read_image
from detplug.images.tiled_engine import crop
from detplug.images.tiles import check_tiling, tile_grid


@DATASETS.register_module()
class TiledDataset(DatasetWrapper):
    """A training data set whose items are the tiles of its pictures, through its own pipeline.

    Its pipeline loads with ``LoadResizedTile``, or with any loader and ``CropToTile`` after it.

    Args:
        dataset: config of the data set, whose items have img_path, width, height and ``instances``.
        tile, overlap: see :func:`detplug.images.tiles.tile_grid`.
        min_visible: see :func:`detplug.data.tile_items.tile_items`.

    Raises:
        UserError: a tile or an overlap that cannot be; what the data set raises.
    """

    def __init__(self, dataset: dict, tile: int, overlap: float, min_visible: float = MIN_VISIBLE) -> None:
        check_tiling(tile, overlap)
        self.dataset = DATASETS.build(dict(dataset, lazy_init=True))
        load = self.dataset.load_data_list
        self.dataset.load_data_list = lambda: [
            part for item in load() for part in tile_items(item, tile, overlap, min_visible)
        ]
        self.dataset.full_init()
        del self.dataset.load_data_list  # loader processes that are spawned pickle the data set

    def __getitem__(self, index: int) -> dict:
        return self.dataset[index]


@dataclass
class PictureSamples:
    """A picture as the packed samples of its tiles: ``inputs`` and ``data_samples``, one each of a tile.

    The first sample holds the annotations of the picture, in its pixels; the others hold none.

    Attributes:
        tiles: (T, 4) int64 xyxy px.
        size: (width, height) px of the picture.
    """

    inputs: list
    data_samples: list
    tiles: np.ndarray
    size: tuple[int, int]


@DATASETS.register_module()
class TiledPictures(DatasetWrapper):
    """An evaluation data set that gives each picture as the packed samples of its tiles, for ``TiledTestLoop``.

    The picture is decoded once; what follows the loading in the pipeline is done for each tile.

    Args:
        dataset: config of the data set, with the test pipeline of pictures that are not tiled.
        tile, overlap: see :func:`detplug.images.tiles.tile_grid`.

    Raises:
        UserError: a tile or an overlap that cannot be; a pipeline that does not begin with loading an image.
    """

    def __init__(self, dataset: dict, tile: int, overlap: float) -> None:
        check_tiling(tile, overlap)
        self.dataset = DATASETS.build(dataset)
        self.tile, self.overlap = tile, overlap
        self.load, *self.rest = self.dataset.pipeline.transforms
        if not type(self.load).__name__.startswith('LoadImage'):
            raise UserError(f'--tile: the test pipeline begins with {type(self.load).__name__}; it must load an image')

    def __getitem__(self, index: int) -> PictureSamples:
        item = self.dataset.get_data_info(index)
        check_image_file(item['img_path'])
        results = self.load(item)
        picture = results['img']
        check_size(results, picture.shape[:2])
        size = picture.shape[1::-1]
        tiles = tile_grid(size, self.tile, self.overlap)
        samples = [self._sample(results, picture, box, number) for number, box in enumerate(tiles)]
        inputs, data_samples = ([sample[key] for sample in samples] for key in ('inputs', 'data_samples'))
        return PictureSamples(inputs, data_samples, tiles, size)

    def _sample(self, results: Mapping, picture: np.ndarray, box: np.ndarray, number: int) -> dict:
        image = crop(picture, box)
        sample = dict(results, img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        sample.update(zip(('height', 'width'), image.shape, strict=False))
        if number:
            sample.update({key: [] for key in ('instances', 'unknown_instances') if key in sample})
        for transform in self.rest:
            sample = transform(sample)
        return sample

    def most_tiles(self) -> int:
        """Tiles of the largest picture, by the annotations; 1 where they do not say a size."""
        infos = (self.dataset.get_data_info(index) for index in range(len(self.dataset)))
        sizes = {(info['width'], info['height']) for info in infos if info.get('width') and info.get('height')}
        return max((len(tile_grid(size, self.tile, self.overlap)) for size in sizes), default=1)


@TRANSFORMS.register_module()
class LoadResizedTile(LoadResizedImage):
    """:class:`LoadResizedImage` of a tile. A picture is decoded once for all of its tiles while the cache has room.

    Raises:
        UserError: as LoadResizedImage; a picture of another size than its annotation says.
    """

    def _source(self, results: dict) -> tuple[np.ndarray, tuple[int, int]]:
        if 'tile' not in results:
            return super()._source(results)
        path, mine, size = results['img_path'], results['tile'], results['picture_size']
        base = self._key(path)
        cached = self.cache.read(_tile_key(base, mine, size)) if base else None
        if cached is not None:
            return cached
        picture = read_image(path)
        check_size(dict(img_path=path, width=size[0], height=size[1]), picture.shape[:2])
        if base and base == image_key(path):  # the file was the same while it was read
            for box in tile_grid(size, *results['tiling']).tolist():
                if tuple(box) != mine:
                    part = self._resized(picture, box)
                    self.cache.write(_tile_key(base, box, size), part, (box[3] - box[1], box[2] - box[0]))
        image, shape = self._resized(picture, mine), (mine[3] - mine[1], mine[2] - mine[0])
        if base:
            image = self.cache.write(_tile_key(base, mine, size), image, shape)
        image.flags.writeable = False
        return image, shape

    def _resized(self, picture: np.ndarray, box: Sequence[int]) -> np.ndarray:
        image = crop(picture, box)
        size = fit_size(image.shape[:2], self.scale)
        return image if size == image.shape[1::-1] else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def _tile_key(base: bytes, box: Sequence[int], size: Sequence[int]) -> bytes:
    return hashlib.blake2b(base + np.array([*box, *size], np.int64).tobytes(), digest_size=16).digest()


@TRANSFORMS.register_module()
class CropToTile(BaseTransform):
    """After a transform that loads the whole picture: the pixels of the item's tile."""

    def transform(self, results: dict[str, Any]) -> dict:
        if 'tile' in results:
            width, height = results['picture_size']
            check_size(dict(img_path=results['img_path'], width=width, height=height), results['img'].shape[:2])
            results['img'] = crop(results['img'], results['tile'])
            results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results
