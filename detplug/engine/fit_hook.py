"""Before a training: do the boxes of the data suit the network's input and its anchors?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmdet.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from detplug.data.box_fit import TINY, BoxFit, box_fit
from detplug.data.dataset_config import innermost_datasets

MOST_ITEMS = 20_000  # pictures that are looked at; of more, evenly spaced ones


@HOOKS.register_module()
class FitReportHook(Hook):
    """Prints the fit report when a training begins, warns of boxes that cannot be learned, and keeps it for the report.

    Anchors are a head's business: one that has them has ``unmatched(sizes) -> (M,) bool`` of box sizes (M, 2) px of the
    network's input, and may have ``suggested_anchors(sizes) -> str``, the option that would set better ones.

    Attributes:
        lines: (what, text) of the report.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Print the report.

        A data set without sizes, or pipelines without Letterbox and Resize, have none; a line of the log says so.
        """
        self.lines = []
        scale = network_scale(runner.cfg)
        items, total = sampled_items(runner.train_dataloader.dataset)
        if scale is None or not items or any(not item.get('width') or not item.get('height') for item in items):
            what = 'no pipeline has a Letterbox or Resize' if scale is None else 'the data set says no sizes'
            runner.logger.info(f'fit of the boxes: not looked at: {what}')
            return
        fit = box_fit(items, *scale)
        self.lines += fit_lines(fit, runner.model)
        if total > len(items):
            self.lines[0] = ('sizes', f'{self.lines[0][1]} (every {total / len(items):.3g}th picture)')
        for what, text in self.lines:
            if what == 'warning':
                runner.logger.warning(text)
            else:
                print(f'fit: {text}', flush=True)


def fit_lines(fit: BoxFit, model: torch.nn.Module) -> list[tuple[str, str]]:
    """(what, text): sizes, a warning with counts where boxes are too small or fit no anchor, advice."""
    lines = [('sizes', fit.describe())]
    count = max(len(fit.sizes), 1)
    head = next((x for x in model.modules() if hasattr(x, 'unmatched')), None)
    sizes = torch.as_tensor(fit.network_sizes, dtype=torch.float32)
    unmatched = 0 if head is None else int(head.unmatched(sizes).sum())
    if unmatched:
        share = 100 * unmatched / count
        lines.append(('warning', f'{unmatched} boxes ({share:.2g} %) fit no anchor: they are learned as background'))
    if fit.tiny:
        lines.append(('warning', f'{fit.tiny} boxes ({100 * fit.tiny / count:.2g} %) have a side below {TINY} px'))
    lines += [('advice', text) for text in fit.advice()]
    if unmatched and hasattr(head, 'suggested_anchors'):
        lines.append(('advice', f'anchors that fit these boxes: {head.suggested_anchors(sizes)}'))
    return lines


def network_scale(config: Any) -> tuple[tuple[int, int], bool] | None:
    """((width, height) px, whether as Letterbox fits it) of the network's input, by the test or training pipeline."""
    for name in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        for step in _steps((config.get(name) or {}).get('dataset')):
            kind = str(step.get('type')).rpartition('.')[2]
            scale = step.get('scale')
            if isinstance(scale, int):
                scale = (scale, scale)
            plain = isinstance(scale, list | tuple) and len(scale) == 2 and all(isinstance(x, int) for x in scale)
            if plain and kind in ('Letterbox', 'LoadResizedImage', 'LoadResizedTile', 'Resize'):
                return (scale[0], scale[1]), kind != 'Resize'
    return None


def _steps(dataset: dict | None) -> Iterator[dict]:
    for part in innermost_datasets(dataset) if dataset else ():
        yield from part.get('pipeline') or ()


def sampled_items(dataset: Any) -> tuple[list[dict], int]:
    """Items of a data set that may be wrapped or concatenated, at most ``MOST_ITEMS`` of them; and how many it has."""
    if hasattr(dataset, 'datasets'):
        parts = [sampled_items(part) for part in dataset.datasets]
        return [item for items, _ in parts for item in items], sum(total for _, total in parts)
    if hasattr(dataset, 'dataset'):
        return sampled_items(dataset.dataset)
    if not hasattr(dataset, 'get_data_info'):
        return [], len(dataset)
    total = len(dataset)
    chosen = np.unique(np.linspace(0, total - 1, min(total, MOST_ITEMS)).round().astype(int)) if total else ()
    return [dataset.get_data_info(int(index)) for index in chosen], total


def fit_rows(runner: Runner) -> list[tuple[str, str]]:
    """The fit report of a training, for report.html; empty where none was made."""
    return next((hook.lines for hook in runner.hooks if isinstance(hook, FitReportHook)), [])
