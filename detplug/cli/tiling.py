"""``--tile PX --overlap SHARE`` of train and test: the config's data sets and loops, in tiles."""

import argparse

from mmengine.config import Config, ConfigDict

from detplug.data.dataset_config import innermost_datasets
from detplug.errors import UserError
from detplug.images.tiled_engine import check_overlap
from detplug.images.tiles import check_tiling

LOOPS = {'ValLoop': 'TiledValLoop', 'TestLoop': 'TiledTestLoop'}


def add_tile_options(parser: argparse.ArgumentParser) -> None:
    """``--tile`` and ``--overlap``."""
    parser.add_argument(
        '--tile', type=int, metavar='PX', help='look at pictures in tiles of this side, px of the picture; such as 640'
    )
    parser.add_argument('--overlap', type=float, metavar='SHARE', help='of neighbouring tiles, 0 to 0.5; default 0.2')


def tiling_of(args: argparse.Namespace) -> tuple[int, float] | None:
    """(tile, overlap) of the command line, None without ``--tile``.

    Raises:
        UserError: ``--overlap`` alone, or numbers that cannot be.
    """
    if args.tile is None:
        if args.overlap is not None:
            raise UserError(f'--overlap {args.overlap}: has no effect without --tile; add --tile 640')
        return None
    overlap = 0.2 if args.overlap is None else args.overlap
    check_tiling(args.tile, overlap)
    check_overlap(overlap)
    return args.tile, overlap


def use_tiles(config: Config, tile: int, overlap: float) -> None:
    """Train, validate and test ``config`` on tiles, in place.

    Raises:
        UserError: a part of the config that tiles are not made for.
    """
    if config.get('train_dataloader'):
        config.train_dataloader.dataset = _training(config.train_dataloader.dataset, tile, overlap)
    for split in ('val', 'test'):
        loader, loop = config.get(f'{split}_dataloader'), config.get(f'{split}_cfg')
        if not loader or not loop:
            continue
        kind = str(loop.get('type', f'{split.capitalize()}Loop')).rpartition('.')[2]
        if kind not in LOOPS:
            raise UserError(f'--tile: {config.filename}: {split}_cfg: {kind} does not know tiles; leave --tile out')
        loop.update(type=LOOPS[kind], tile_batch=loader.get('batch_size', 1))
        loader.batch_size = 1  # a picture; the model sees tile_batch of its tiles at once
        loader.dataset = ConfigDict(type='TiledPictures', dataset=loader.dataset, tile=tile, overlap=overlap)


def _training(dataset: ConfigDict, tile: int, overlap: float) -> ConfigDict:
    if 'datasets' in dataset:
        dataset.datasets = [_training(part, tile, overlap) for part in dataset.datasets]
        return dataset
    if 'dataset' in dataset:
        dataset.dataset = _training(dataset.dataset, tile, overlap)
        return dataset
    dataset = next(innermost_datasets(dataset))
    dataset.pipeline = _tiled_pipeline(dataset.pipeline)
    return ConfigDict(type='TiledDataset', dataset=dataset, tile=tile, overlap=overlap)


def _tiled_pipeline(pipeline: list) -> list:
    kinds = [str(step['type']).rpartition('.')[2] for step in pipeline]
    if 'LoadResizedImage' in kinds:
        place = kinds.index('LoadResizedImage')
        return [*pipeline[:place], dict(pipeline[place], type='LoadResizedTile'), *pipeline[place + 1 :]]
    load = next((i for i, kind in enumerate(kinds) if kind.startswith('LoadImage')), None)
    if load is None:
        raise UserError(
            f'--tile: a training pipeline of {", ".join(kinds)} loads no image from a file; leave --tile out'
        )
    return [*pipeline[: load + 1], dict(type='CropToTile'), *pipeline[load + 1 :]]
