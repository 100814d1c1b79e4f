"""What int8 gives on this processor: the official yolov5n at 640 px, float32 and int8 bundles in turn, one thread.

int8_over_float         : time of the whole graph, selection included, on an image of coco_tiny val
map_float, map_int8, map_loss : on the 80 images of coco_tiny val
vnni                    : 1 where the processor multiplies 8-bit integers in one instruction (avx512_vnni, avx_vnni)

Times are the least process CPU time of ROUNDS turns: the ratio is that of one run, and others on the machine slow both.

python benchmarks/int8.py      (about 5 minutes; needs the coco_tiny data)
"""

import os
import time
from pathlib import Path

import torch
from finetuning import ROOT, WEIGHTS, convert_weights
from record import record

import detplug.cli.export  # noqa: F401  (registers the formats)
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.export.formats import ExportRequest, export
from detplug.export.images import image_paths
from detplug.runtime.bundle import Detector

CONFIG, ROUNDS = 'configs/yolov5/yolov5n_coco-tiny.py', 40


def milliseconds(folders: dict[str, Path], image: Path) -> dict[str, float]:
    """Least CPU time of a run of each bundle's session, image preparation excluded."""
    calls, times = {}, {name: [] for name in folders}
    for name, folder in folders.items():
        detector = Detector(folder, threads=1, device='cpu')
        feed = detector.feed([detector.prepare(image)])
        calls[name] = lambda session=detector.session, feed=feed: session.run(None, feed)
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.process_time()
            call()
            times[name].append(1e3 * (time.process_time() - began))
    return {name: min(values) for name, values in times.items()}


def main() -> None:
    convert_weights('../shared/weights/yolov5n.pt')
    os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))
    config = load_config(ROOT / CONFIG)
    model, out = build_detector(config, WEIGHTS), ROOT / 'work_dirs/benchmarks/int8'
    bundles = {}
    for name, images in (('onnx', 0), ('onnx-int8', 500)):  # the latter measures the mAP of both
        request = ExportRequest(model, config, 640, as_pipeline=True, map_images=images)
        bundles[name] = export(name, request, out / name)
    ms = milliseconds({name: bundle.folder for name, bundle in bundles.items()}, image_paths(config, 'val', 1)[0])
    found = bundles['onnx-int8'].manifest['int8']
    flags = Path('/proc/cpuinfo').read_text() if Path('/proc/cpuinfo').exists() else ''
    record(
        'int8',
        {
            'int8_over_float': ms['onnx-int8'] / ms['onnx'],
            'map_float': found['map_float32'],
            'map_int8': found['map_int8'],
            'map_loss': found['map_loss'],
            'images': found['images'],
            'vnni': int('avx512_vnni' in flags or 'avx_vnni' in flags),
            'bytes_over_float': found['bytes_int8'] / found['bytes_float32'],
        }
        | {f'{name}_ms': value for name, value in ms.items()},
        [0],
    )


if __name__ == '__main__':
    torch.set_num_threads(1)
    main()
