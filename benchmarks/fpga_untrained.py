"""A detector for benchmarks of the accelerator where nothing was trained: the weights of COCO and a new head.

Cycles do not depend on weights, and the simulation compares whatever they are; the ranks that are chosen do depend on
them, so these detectors are not those of benchmarks/fpga_accuracy.py.
"""

from pathlib import Path

import torch
from finetuning import ROOT, WEIGHTS, convert_weights
from fpga_accuracy import CONFIG, RANKS, compress
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from detplug.cli.config import load_config
from detplug.engine.checkpoint import load_file, save_atomic

FOLDER = Path('work_dirs/benchmarks/fpga_untrained')


def untrained_dense() -> Path:
    """Checkpoint of the detector of CONFIG with the weights of COCO and a new head."""
    convert_weights('../shared/weights/yolov5n.pt')
    config, path = load_config(ROOT / CONFIG), ROOT / FOLDER / 'dense.pth'
    init_default_scope('mmdet')
    torch.manual_seed(0)
    detector = MODELS.build(config.model)
    weights, shapes = load_file(WEIGHTS)['state_dict'], detector.state_dict()
    same = {name: value for name, value in weights.items() if name in shapes and value.shape == shapes[name].shape}
    detector.load_state_dict(same, strict=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = {'dataset_meta': dict(config.dataset.metainfo)}
    save_atomic({'state_dict': detector.state_dict(), 'meta': meta}, path)
    return path


def untrained_int8(form: str = 'rebuild') -> tuple[Path, Path]:
    """Config and checkpoint of a 4x smaller one in int8, calibrated.

    Args:
        form: ``rebuild``: the accelerator rebuilds kernels; ``chain``: cores run as convolutions.
    """
    small = compress(CONFIG, untrained_dense(), FOLDER / '4x', '--budget', '0.25', *RANKS)
    words, folder = ['--method', 'fpga', '--form', form], FOLDER / ('4x-int8' if form == 'rebuild' else '4x-int8-chain')
    quantised = compress(str(small / 'config.py'), small / 'compressed.pth', folder, *words)
    return quantised / 'config.py', quantised / 'compressed.pth'
