"""Numbers of parameters of YOLOv5 n, s, m, l, x (80 classes), unfused and with batch norms folded in.

python benchmarks/yolov5_params.py
"""

from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from record import record

from plugins.yolov5.fuse import fuse

CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / '_base_' / 'models'


def main() -> None:
    init_default_scope('mmdet')
    figures = {}
    for size in 'nsmlx':
        with torch.device('meta'):  # shapes without memory
            model = MODELS.build(Config.fromfile(CONFIGS / f'yolov5{size}.py').model)
        figures[size] = sum(x.numel() for x in model.parameters())
        figures[f'{size}_fused'] = sum(x.numel() for x in fuse(model).parameters())
    record('yolov5_params', figures, seeds=[])


if __name__ == '__main__':
    main()
