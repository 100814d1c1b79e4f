"""Milliseconds of one 640 px image for the dense detector and 2x, 4x, 8x smaller ones: torch and onnxruntime.

The detectors of benchmarks/tt_bccd.py, ranks by sensitivity and (``RATIO.lwiq``) by LWIQ; weights do not matter for
time. NMS included, image preparation excluded; medians over rounds in which each detector has its turn, so that a
machine whose speed drifts slows all alike. A session of onnxruntime lives for its turn: idle threads of others spin.

python benchmarks/tt_latency.py
"""

import itertools
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from finetuning import ROOT
from record import record
from tt_bccd import CONFIG, RATIOS, compressed, start

import detplug.cli.export  # noqa: F401  (registers the formats)
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.engine.torch_engine import TorchEngine
from detplug.export.formats import ExportRequest, export
from detplug.export.images import image_paths
from detplug.export.pipeline import prediction_steps
from detplug.runtime.bundle import Detector, read_image

SIDE, ROUNDS, CALLS, WARM_UP, REST = 640, 6, 6, 2, 0.02  # REST: seconds between calls, in which threads fall asleep
os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))


def detectors() -> tuple[dict, dict, list]:
    """The dense and the compressed detectors by name, their bundles, and the transforms of an image."""
    files = {'dense': (CONFIG, start())}
    for ratio, selection in itertools.product(RATIOS, ('sensitivity', 'lwiq')):
        folder = compressed(ratio, selection)
        name = ratio if selection == 'sensitivity' else f'{ratio}.{selection}'
        files[name] = folder / 'config.py', folder / 'compressed.pth'
    models, bundles, steps = {}, {}, []
    for name, (config_file, checkpoint) in files.items():
        config = load_config(ROOT / config_file)
        models[name] = build_detector(config, ROOT / checkpoint)
        request = ExportRequest(models[name], config, img_size=SIDE)
        steps = steps or prediction_steps(config, SIDE)
        bundles[name] = export('onnx', request, ROOT / 'work_dirs/benchmarks/tt_latency' / name)
    return models, bundles, steps


def milliseconds(models: dict, bundles: dict, steps: list, image: Path, threads: int) -> dict[str, float]:
    """Median of each call, RUNTIME.THREADS.NAME."""
    torch.set_num_threads(threads)
    prepared = Detector(bundles['dense'].folder, threads).prepare(image)
    data = TorchEngine(models['dense'], steps).pipeline(dict(img=read_image(image)))
    inputs, samples = torch.from_numpy(prepared.pixels[None]), [data['data_samples']]

    def with_torch(name: str) -> Callable:
        return lambda: models[name].predict(inputs, samples)

    def with_onnxruntime(name: str) -> Callable:
        detector = Detector(bundles[name].folder, threads)
        return lambda: detector.run([prepared])

    turns = {f'torch.{threads}.{name}': partial(with_torch, name) for name in models}
    turns |= {f'onnxruntime.{threads}.{name}': partial(with_onnxruntime, name) for name in bundles}
    times: dict[str, list[float]] = {name: [] for name in turns}
    with torch.no_grad():
        for _ in range(ROUNDS):
            for name, turn in turns.items():
                times[name] += timed(turn())
    return {name: statistics.median(values) for name, values in times.items()}


def timed(call: Callable) -> list[float]:
    """Milliseconds of CALLS calls after the warm-up."""
    times = []
    for _ in range(WARM_UP + CALLS):
        time.sleep(REST)
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return times[WARM_UP:]


def main() -> None:
    models, bundles, steps = detectors()
    image = image_paths(load_config(ROOT / CONFIG), 'val', 1)[0]
    figures = {}
    for threads in (1, 2):
        figures |= milliseconds(models, bundles, steps, image, threads)
    record('tt_latency', figures, [])


if __name__ == '__main__':
    main()
