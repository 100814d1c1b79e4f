"""ONNX against torch with the official yolov5n: the same boxes, the loss of int8, the latency of one 640 px image.

max_box_px, max_score_diff : over all 80 images of coco_tiny val, from the file to the boxes
int8_map_loss              : mAP of float32 minus mAP of int8 on the same images
ort_over_torch_latency     : medians of single calls in turn, 2 threads, NMS included, image preparation excluded

python benchmarks/onnx_export.py      (about 4 minutes; needs the coco_tiny data)

The file is not called onnx.py: beside it, torch would import it instead of the package onnx.
"""

import os
import statistics
import time
from pathlib import Path

import torch
from finetuning import ROOT, WEIGHTS, convert_weights
from record import record

import detplug.cli.export  # noqa: F401  (registers the formats)
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.engine.torch_engine import TorchEngine
from detplug.export.compare import compare, require
from detplug.export.formats import Bundle, ExportRequest, export
from detplug.export.images import image_paths
from detplug.export.onnx_format import reference_of
from detplug.runtime.bundle import Detector, read_image

CONFIG = 'configs/yolov5/yolov5n_coco-tiny.py'
THREADS, CALLS, REST = 2, 40, 0.02  # REST: seconds until the threads of the other one sleep


def latencies(reference: TorchEngine, bundles: dict[str, Bundle], image: Path) -> dict[str, float]:
    """Median seconds a call of torch and of each bundle on one prepared image, measured in turn."""
    detectors = {name: Detector(bundle.folder, THREADS) for name, bundle in bundles.items()}
    prepared = next(iter(detectors.values())).prepare(image)
    data = reference.pipeline(dict(img=read_image(image)))
    inputs, samples = torch.from_numpy(prepared.pixels[None]), [data['data_samples']]
    calls = {'torch': lambda: reference.model.predict(inputs, samples)}
    calls |= {name: lambda run=detector.run: run([prepared]) for name, detector in detectors.items()}
    times = {name: [] for name in calls}
    with torch.no_grad():
        for _ in range(CALLS + 3):
            for name, call in calls.items():
                time.sleep(REST)
                began = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values[3:]) for name, values in times.items()}


def main() -> None:
    convert_weights('../shared/weights/yolov5n.pt')
    os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))
    config = load_config(ROOT / CONFIG)
    model = build_detector(config, WEIGHTS)
    request, out = ExportRequest(model, config, img_size=640), ROOT / 'work_dirs/benchmarks/onnx'
    bundles = {name: export(name, request, out / name) for name in ('onnx', 'onnx-int8')}
    images = image_paths(config, 'val', 80)
    reference = reference_of(request)
    agreement = compare(reference, Detector(bundles['onnx'].folder, THREADS), images)
    require(agreement, CONFIG)
    seconds = latencies(reference, bundles, images[0])
    int8 = bundles['onnx-int8'].manifest['int8']
    record(
        'onnx',
        {
            'max_box_px': agreement.max_box_px,
            'max_score_diff': agreement.max_score_diff,
            'images': agreement.images,
            'boxes': agreement.boxes,
            'unmatched': agreement.unmatched,
            'near_threshold': agreement.near_threshold,
            'int8_map_loss': int8['map_loss'],
            'map_float32': int8['map_float32'],
            'map_int8': int8['map_int8'],
            'ort_over_torch_latency': seconds['onnx'] / seconds['torch'],
            'int8_over_torch_latency': seconds['onnx-int8'] / seconds['torch'],
            'torch_ms': 1e3 * seconds['torch'],
            'onnx_ms': 1e3 * seconds['onnx'],
            'int8_ms': 1e3 * seconds['onnx-int8'],
            'bytes_float32': int8['bytes_float32'],
            'bytes_int8': int8['bytes_int8'],
        },
        [0],
    )


if __name__ == '__main__':
    torch.set_num_threads(THREADS)
    main()
