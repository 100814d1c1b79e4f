"""Milliseconds of one 640 px image for the dense detector and 2x, 4x, 8x smaller ones: torch and onnxruntime.

The detectors of benchmarks/tt_bccd.py, ranks by sensitivity and (``RATIO.lwiq``) by LWIQ; weights do not matter for
time. NMS included, image preparation excluded; medians of single calls in turn, so that a machine whose speed drifts
slows all alike.

python benchmarks/tt_latency.py
"""

import itertools
import os
import statistics
import time
from pathlib import Path

import torch
from finetuning import ROOT
from record import record
from tt_bccd import CONFIG, RATIOS, compressed, start

import detplug.cli.export  # noqa: F401  (registers the formats)
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.export.compare import TorchDetector
from detplug.export.formats import ExportRequest, export
from detplug.export.images import image_paths
from detplug.export.runtime import Detector

SIDE, CALLS, WARM_UP, REST = 640, 30, 3, 0.02  # REST: seconds until the threads of the other one sleep
os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))


def detectors() -> tuple[dict, dict]:
    """The dense and the compressed detectors by name, and their bundles."""
    files = {'dense': (CONFIG, start())}
    for ratio, selection in itertools.product(RATIOS, ('sensitivity', 'lwiq')):
        folder = compressed(ratio, selection)
        name = ratio if selection == 'sensitivity' else f'{ratio}.{selection}'
        files[name] = folder / 'config.py', folder / 'compressed.pth'
    models, bundles = {}, {}
    for name, (config_file, checkpoint) in files.items():
        config = load_config(ROOT / config_file)
        models[name] = build_detector(config, ROOT / checkpoint)
        request = ExportRequest(models[name], config, img_size=SIDE)
        bundles[name] = export('onnx', request, ROOT / 'work_dirs/benchmarks/tt_latency' / name)
    return models, bundles


def milliseconds(models: dict, bundles: dict, image: Path, threads: int) -> dict[str, float]:
    """Median of each call, RUNTIME.THREADS.NAME."""
    torch.set_num_threads(threads)
    runtimes = {name: Detector(bundle.folder, threads) for name, bundle in bundles.items()}
    batch, placements = runtimes['dense'].prepare([image])
    data = TorchDetector(models['dense'], SIDE, True).pipeline(dict(img_path=str(image)))
    inputs, samples = torch.from_numpy(batch), [data['data_samples']]
    calls = {f'torch.{threads}.{name}': lambda m=m: m.predict(inputs, samples) for name, m in models.items()}
    calls |= {f'onnxruntime.{threads}.{name}': lambda d=d: d.run(batch, placements) for name, d in runtimes.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    with torch.no_grad():
        for _ in range(CALLS + WARM_UP):
            for name, call in calls.items():
                time.sleep(REST)
                began = time.perf_counter()
                call()
                times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values[WARM_UP:]) for name, values in times.items()}


def main() -> None:
    models, bundles = detectors()
    image = image_paths(load_config(ROOT / CONFIG), 'val', 1)[0]
    figures = {}
    for threads in (1, 2):
        figures |= milliseconds(models, bundles, image, threads)
    record('tt_latency', figures, [])


if __name__ == '__main__':
    main()
