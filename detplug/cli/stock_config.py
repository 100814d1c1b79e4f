"""Fit a config of mmdet itself to our tools, in place; every change is a line for the screen.

Parts that our own configs already have stay as they are, so that a config may also mix both.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import DATASETS
from mmengine.config import Config

from detplug.data.dataset_config import innermost_datasets, names_of
from detplug.data.named_coco import NamedCocoDataset

RUNNER = 'DetplugRunner'
LOOPS = dict(EpochBasedTrainLoop='ResumableEpochLoop', IterBasedTrainLoop='ResumableIterLoop')
SAMPLERS = ('DefaultSampler', 'ClassAwareSampler')  # their order depends on the seed and the epoch alone
CHECKED = {  # of CocoDataset; what else it takes, CheckedCocoDataset would ignore
    '_scope_', 'type', 'data_root', 'ann_file', 'data_prefix', 'metainfo', 'filter_cfg', 'pipeline', 'test_mode',
    'backend_args', 'indices', 'lazy_init', 'serialize_data', 'max_refetch',
}  # fmt: skip


def adapt(config: Config) -> list[str]:
    """Fill in and exchange what our tools need; the changes, one line each, none for a config of ours.

    A config with a ``runner_type`` of its own that is not ours is left alone.
    """
    if config.get('runner_type', RUNNER) != RUNNER:
        return []
    lines, ours = [], 'runner_type' in config
    if not ours:
        config.runner_type = RUNNER
        lines.append(f'runner {RUNNER}: safe and atomic checkpoints, history.jsonl, report.html')
    lines += _datasets(config, ours) + _loop(config) + _train_loader(config) + _precision(config) + _evaluation(config)
    lines += _hooks(config)
    return lines


def _kind(part: dict) -> str:
    kind = part.get('type')
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')


def _parts(node: Any) -> Iterator[dict]:
    """Every dict with a ``type`` below ``node``."""
    if isinstance(node, dict):
        if 'type' in node:
            yield node
        node = list(node.values())
    if isinstance(node, list | tuple):
        for item in node:
            yield from _parts(item)


def _loaders(config: Config, *names: str) -> Iterator[tuple[str, dict]]:
    for name in names:
        if isinstance(config.get(name), dict) and isinstance(config[name].get('dataset'), dict):
            yield name, config[name]


# -- data ----------------------------------------------------------------------------------------------------------


def _datasets(config: Config, ours: bool) -> list[str]:
    """CocoDataset follows the order of the file's categories; ours go by their names, those of plugins too."""
    lines: dict[str, None] = {}
    for _, loader in _loaders(config, 'train_dataloader', 'val_dataloader', 'test_dataloader'):
        annotations = [part for part in _parts(loader.dataset) if _kind(part) == 'LoadAnnotations']
        seg, masks = (any(part.get(key) for part in annotations) for key in ('with_seg', 'with_mask'))
        for dataset in innermost_datasets(loader.dataset):
            kind = _kind(dataset)
            if not _is_coco(dataset):
                if not ours and not kind.startswith(('Checked', 'Named')):
                    lines[f'{kind} stays: nothing checks the names of its classes against its files'] = None
                continue
            checked = not seg and _can_be_checked(dataset)
            new = 'CheckedCocoDataset' if checked else 'NamedCocoDataset'
            dataset.update(type=new, metainfo=dict(dataset.get('metainfo') or {}, classes=names_of(dataset)))
            dataset.update({'with_masks': True} if checked and masks else {})
            boxes = ', boxes clipped to the image' if checked else ''
            lines[f'{kind} -> {new}: labels by name{boxes}'] = None
    return list(lines)


def _is_coco(dataset: dict) -> bool:
    """Whether it is mmdet's CocoDataset, or a class that differs from it in the names alone."""
    kind = DATASETS.get(dataset['type']) if isinstance(dataset.get('type'), str) else dataset.get('type')
    if not isinstance(kind, type) or not issubclass(kind, CocoDataset) or kind is NamedCocoDataset:
        return False
    if not names_of(dataset):  # its class reads them from a file of its own
        return False
    return all(
        getattr(kind, x) is getattr(CocoDataset, x) for x in ('load_data_list', 'parse_data_info', 'filter_data')
    )


def _can_be_checked(dataset: dict) -> bool:
    values = {key for key, value in dataset.items() if value is not None}
    return (
        values <= CHECKED and dataset.get('backend_args') is None and set(dataset.get('data_prefix') or {}) <= {'img'}
    )


def _train_loader(config: Config) -> list[str]:
    """Every sample seeded by its draw number, batches that a resumed training continues with."""
    loader = next((loader for _, loader in _loaders(config, 'train_dataloader')), None)
    if loader is None or _kind(loader.dataset) == 'SeededDataset' or not isinstance(loader.get('sampler'), dict):
        return []
    sampler = _kind(loader.sampler)
    if sampler == 'InfiniteSampler':
        loader.sampler = dict(loader.sampler, type='DefaultSampler')  # the batches below have no end either
        sampler = 'DefaultSampler'
    batches = loader.get('batch_sampler')
    if sampler not in SAMPLERS or loader.get('num_batch_per_epoch') or 'collate_fn' in loader and batches is not None:
        return [f'train_dataloader: {sampler} stays; a resumed training sees other images than an uninterrupted one']
    batch_sampler = dict(type='EpochBatchSampler', drop_last=loader.pop('drop_last', False))
    loader.batch_sampler = batch_sampler if batches is None else dict(batch_sampler, batch_sampler=batches)
    loader.dataset = dict(type='SeededDataset', dataset=loader.dataset)
    lines = [f'train_dataloader: {sampler} in EpochBatchSampler, data set in SeededDataset: any step can be resumed']
    cached = sorted({_kind(part) for part in _parts(loader.dataset) if _kind(part).startswith('Cached')})
    if cached:
        lines.append(
            f'{", ".join(cached)}: mixes the images before, so that a resumed training is not the same to the bit'
        )
    return lines


# -- training ------------------------------------------------------------------------------------------------------


def _loop(config: Config) -> list[str]:
    cfg = config.get('train_cfg')
    if not isinstance(cfg, dict):
        return []
    by_epoch = cfg.get('by_epoch', 'max_epochs' in cfg)
    kind = _kind(cfg) or ('EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop')
    if kind not in LOOPS:
        return []
    cfg.pop('by_epoch', None)
    cfg['type'] = LOOPS[kind]
    return [f'{kind} -> {LOOPS[kind]}: as many steps, and any of them can be resumed']


def _precision(config: Config) -> list[str]:
    """mmengine's AmpOptimWrapper runs on GPUs only, and may keep momentum that a skipped first step never set."""
    wrapper = config.get('optim_wrapper')
    fixed = isinstance(wrapper, dict) and ('use_fsdp' in wrapper or isinstance(wrapper.get('loss_scale'), float | int))
    if not isinstance(wrapper, dict) or _kind(wrapper) != 'AmpOptimWrapper' or fixed:
        return []
    wrapper['type'] = 'DetplugAmpOptimWrapper'
    wrapper.setdefault('dtype', 'float16')
    if wrapper.get('loss_scale') == 'dynamic' or wrapper.dtype != 'float16':
        wrapper.pop('loss_scale', None)
    return [f'AmpOptimWrapper -> DetplugAmpOptimWrapper: {wrapper.dtype}']


def _hooks(config: Config) -> list[str]:
    """Ours in the place of those that write checkpoints and logs."""
    hooks = dict(config.get('default_hooks') or {})
    metric = 'map' if _has(config, 'BoxAP') else 'coco/bbox_mAP' if _has(config, 'CheckedCocoMetric') else None
    lines = []
    old = hooks.get('checkpoint')
    if isinstance(old, dict) and _kind(old) in ('CheckpointHook', '') or 'checkpoint' not in hooks:
        hooks['checkpoint'], line = _checkpoint_hook(old or {}, metric)
        lines.append(line)
    if _kind(hooks.get('logger') or {}) == 'LoggerHook':
        hooks |= dict(logger=None, timer=None)
        lines.append('LoggerHook -> progress on the screen; history.jsonl, which backends of the visualizer get too')
    config.default_hooks = hooks
    given_hooks = list(config.get('custom_hooks') or [])
    if metric and not any(_kind(hook) == 'ReportHook' for hook in given_hooks):
        config.custom_hooks = [*given_hooks, dict(type='ReportHook', key=metric)]
    return lines


def _checkpoint_hook(old: dict, metric: str | None) -> tuple[dict, str]:
    best = old.get('save_best')
    hook = dict(type='AtomicCheckpointHook', metric=best if best not in (None, 'auto') else metric)
    text = 'iter_N.pth by steps'
    if old.get('by_epoch') is False and 'interval' in old:
        hook['interval'] = old['interval']
    elif 'interval' in old:
        text += f' instead of every {old["interval"]} epochs'
    if old.get('max_keep_ckpts', -1) > 0:
        hook['keep'] = old['max_keep_ckpts']
    text += f', the newest {hook.get("keep", 2)}; best.pth by {hook["metric"]}'
    return hook, f'CheckpointHook -> AtomicCheckpointHook: {text}'


# -- evaluation ----------------------------------------------------------------------------------------------------


def _evaluation(config: Config) -> list[str]:
    lines: dict[str, None] = {}
    for split in ('val', 'test'):
        for _, loader in _loaders(config, f'{split}_dataloader'):
            sampler = loader.get('sampler') or {}
            if _kind(sampler) == 'DefaultSampler' and not sampler.get('shuffle', True):
                loader.sampler = dict(type='EvaluationSampler')
                lines['DefaultSampler -> EvaluationSampler: every image once, by any number of processes'] = None
            lines |= dict.fromkeys(_evaluator(config, split, loader))
    return list(lines)


def _evaluator(config: Config, split: str, loader: dict) -> list[str]:
    """CocoMetric by names, and BoxAP beside it for map, best.pth and the report."""
    key = f'{split}_evaluator'
    metrics = config.get(key)
    metrics = [metrics] if isinstance(metrics, dict) else list(metrics or [])
    coco = [metric for metric in metrics if _kind(metric) == 'CocoMetric']
    for metric in coco:
        metric['type'] = 'CheckedCocoMetric'
    lines = ['CocoMetric -> CheckedCocoMetric: labels by name'] if coco else []
    checked = all(_kind(dataset).startswith('Checked') for dataset in innermost_datasets(loader['dataset']))
    boxes = [x for x in coco if 'bbox' in x.get('metric', 'bbox') and not x.get('format_only')]
    if checked and boxes and not any(_kind(metric) == 'BoxAP' for metric in metrics):
        most = (boxes[0].get('proposal_nums') or (100,))[0]
        config[key] = [*metrics, dict(type='BoxAP', max_dets=most)]
        for step in _parts(loader['dataset']):
            if _kind(step) == 'PackDetInputs':
                default = inspect.signature(PackDetInputs).parameters['meta_keys'].default
                step['meta_keys'] = (*step.get('meta_keys', default), 'instances')
        lines.append(f'BoxAP beside it: map, best.pth and report.html; {most} detections of a class an image')
    return lines


def _has(config: Config, kind: str) -> bool:
    return any(_kind(part) == kind for part in _parts(config.get('val_evaluator')))
