"""Seconds and memory to compress yolov5n and yolov5s 4x, from the command line to the written folder.

yolov5n: the official weights, calibrated on coco_tiny train. yolov5s: random weights (no official file is here), the
same images; what a decomposition costs does not depend on the values.

python benchmarks/tt_compress.py
"""

import resource
import subprocess
import sys
import time

import torch
from finetuning import ROOT, WEIGHTS, convert_weights
from record import record

FOLDER = ROOT / 'work_dirs/benchmarks/tt_compress'
CONFIG = 'configs/yolov5/yolov5n_coco-tiny.py'
CHANNELS = 'in_channels=[128,256,512]'
S_SIZE = ['model.backbone.width=0.5', f'model.neck.{CHANNELS}', f'model.bbox_head.{CHANNELS}']


def random_weights() -> str:
    """A checkpoint of yolov5s with random weights."""
    from mmdet.registry import MODELS

    from detplug.cli.config import load_config

    torch.manual_seed(0)
    model = MODELS.build(load_config(ROOT / CONFIG, S_SIZE).model)
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.save({'state_dict': model.state_dict()}, FOLDER / 'yolov5s.pth')
    return str(FOLDER / 'yolov5s.pth')


def main() -> None:
    convert_weights('../shared/weights/yolov5n.pt')
    figures = {}
    for name, checkpoint, options in (('n', str(WEIGHTS), []), ('s', random_weights(), ['--cfg-options', *S_SIZE])):
        words = ['tools/compress.py', CONFIG, checkpoint, '--budget', '0.25', '--out', str(FOLDER / name), *options]
        began = time.perf_counter()
        subprocess.run((sys.executable, *words), check=True, cwd=ROOT)
        figures[f'{name}_seconds'] = time.perf_counter() - began
    # the largest of the two processes; kilobytes on Linux
    figures['peak_mb'] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    record('tt_compress', figures, [])


if __name__ == '__main__':
    main()
