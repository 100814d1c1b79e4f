"""The next larger detector compressed to the size of the small one: a rival of benchmarks/tt_baselines.py.

YOLOv5s is fine-tuned on the data with the steps of the dense YOLOv5n, compressed by Tensor-Train layers (sensitivity)
to the same number of parameters or MACs, and distilled from the same dense YOLOv5n by the head alone. It starts from
the official weights where ../shared/weights/yolov5s.pt is there. **Where it is not, it starts from YOLOv5n widened to
its size**, which computes what YOLOv5n computes (Net2Net, arXiv 1511.05641): all that it has more than YOLOv5n it has
from the fine-tuning, so that such a row is no more than a lower bound of what the official YOLOv5s would give.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from finetuning import ROOT, run_tool
from mmdet.registry import MODELS
from narrow import sliced, width_options
from torch import Tensor
from tt_rivals import Dense, build, head_alone, limit_of, whole_cost

from detplug.cli.config import load_config
from detplug.engine.checkpoint import load_file, save_atomic

WIDTH = 0.5  # of YOLOv5s; depth is that of YOLOv5n
OFFICIAL = ROOT.parent / 'shared' / 'weights' / 'yolov5s.pt'


def make(method: str, share: float, dense: Dense, folder: Path, options: list[str]) -> Path:
    """The config of the compressed larger detector in ``folder``/METHOD/start, made unless it is there.

    Args:
        options: --cfg-options of the fine-tuning of the larger detector.
    """
    start = folder / method / 'start'
    if not (ROOT / start / 'distill.py').exists():
        kind = 'macs' if method.endswith('_macs') else 'params'
        limit = limit_of(kind, share, dense, folder)
        config, checkpoint = fine_tuned(dense, folder.parent / 'larger', options)
        kept = limit / whole_cost(kind, build(config, []), ROOT / config)
        words = ['--budget', f'{kept:.6f}', '--budget-kind', kind, '--ranks', 'sensitivity', '--out', str(start)]
        run_tool('compress', config, str(checkpoint), *words)
        (ROOT / start / 'distill.py').write_text('\n'.join(["_base_ = 'config.py'", *head_alone(dense), '']))
    return start / 'distill.py'


def fine_tuned(dense: Dense, folder: Path, options: list[str]) -> Dense:
    """Config and checkpoint of the larger detector, trained as the config of the dense one says."""
    config = folder / 'config.py'
    (ROOT / folder).mkdir(parents=True, exist_ok=True)
    weights = ROOT / folder / 'start.pth'
    values = dict(option.removeprefix('model.').split('=') for option in width_options(WIDTH))
    parts = ', '.join(f'{key.split(".")[0]}=dict({key.split(".")[1]}={value})' for key, value in values.items())
    lines = [f"_base_ = '{ROOT / dense[0]}'", f'model = dict({parts})', f"load_from = '{weights}'"]
    (ROOT / config).write_text('\n'.join(lines) + '\n')
    if not weights.exists() and OFFICIAL.exists():
        run_tool('convert_weights', 'yolov5', str(OFFICIAL), str(weights))
    elif not weights.exists():
        print(f'{OFFICIAL.name}: not there; YOLOv5s starts from YOLOv5n, widened', flush=True)
        saved, wide = load_file(ROOT / load_config(ROOT / dense[0]).load_from), load_config(ROOT / config).model
        wide.bbox_head.num_classes = len(saved['meta']['dataset_meta']['classes'])
        save_atomic(saved | {'state_dict': widened(saved['state_dict'], MODELS.build(wide).state_dict())}, weights)
    if not (ROOT / folder / 'dense' / 'metrics.json').exists():
        words = ['--work-dir', str(folder / 'dense'), '--seed', '0', '--resume']
        run_tool('train', str(config), *words, *(['--cfg-options', *options] if options else []))
    return str(config), folder / 'dense' / 'best.pth'


def widened(narrow: Mapping[str, Tensor], wide: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """State of the shapes of ``wide``, each channel there twice, of a detector that computes what ``narrow`` computes.

    The two halves of a channel share its kernel by a share that is drawn for each output: equal halves would have equal
    gradients for ever.
    """
    generator, state = torch.Generator().manual_seed(seed), sliced(narrow, wide)
    for name, kernel in state.items():
        if kernel.dim() == 4 and kernel.shape[1] == 2 * narrow[name].shape[1]:
            drawn = torch.rand(kernel.shape[0], kernel.shape[1] // 2, 1, 1, generator=generator)
            kernel *= 2 * torch.stack([drawn, 1 - drawn], 2).flatten(1, 2)
    return state


def start_of(folder: Path) -> dict[str, float]:
    """Whether the larger detector of a data set began with official weights, and what it reached on val."""
    metrics = json.loads((ROOT / folder / 'larger' / 'dense' / 'metrics.json').read_text())
    return {'official_start': float(OFFICIAL.exists()), 'larger_val_map': metrics['map']}
