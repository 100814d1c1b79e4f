"""Small detectors of benchmarks/tt_baselines.py: each as a config that trains it beside the dense one; its sizes."""

import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import evbmf  # noqa: F401  (registers the selection)
import torch
from finetuning import ROOT, run_tool
from mmengine.config import Config
from narrow import sliced, widest, width_options
from torch import nn

import detplug.cli.export  # noqa: F401  (registers the formats)
from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.compression.costs import CostRequest, cost_model
from detplug.engine.checkpoint import save_atomic
from detplug.errors import UserError
from detplug.export.formats import ExportRequest, export
from detplug.export.images import image_paths
from detplug.export.pipeline import input_side
from detplug.runtime.bundle import Detector
from plugins.tensor_train.calibration import runner_of
from plugins.tensor_train.conv_layers import all_convolutions

ARRAY, CALLS = 8, 20
Dense = tuple[str, Path]  # config, checkpoint


def make(method: str, share: float, dense: Dense, folder: Path) -> Path:
    """The config of a small detector in ``folder``/METHOD/start, made unless it is there; relative to the project."""
    start = folder / method / 'start'
    if (ROOT / start / 'distill.py').exists():
        return start / 'distill.py'
    if method == 'dense':
        write_config(start, dense, [], str(ROOT / dense[1]))
    elif method.startswith('tt_'):
        compress_chains(method.removeprefix('tt_'), share, dense, start)
    elif method == 'blocks':
        words = ['--method', 'block_influence', '--budget', str(share), '--out', str(start)]
        run_tool('compress', dense[0], str(dense[1]), *words)
        edit_weights(start / 'distill.py')
    else:
        kind = 'macs' if method.endswith('_macs') else 'params'
        limit = limit_of(kind, share, dense, folder)
        {'narrow': narrow, 'sliced': narrow, 'pruned': pruned, 'pruned_layers': pruned}[method.removesuffix('_macs')](
            method, kind, limit, dense, start
        )
    return start / 'distill.py'


def compress_chains(selection: str, share: float, dense: Dense, start: Path) -> None:
    """Chains by tools/compress.py; evbmf is a selection of this folder, which the config imports."""
    budget = f'params={share},macs={0.5}' if selection == 'joint' else str(share)
    forms = {'joint': ['sensitivity'], 'measured_again': ['sensitivity', '--measure-again']}  # of sensitivity
    words = ['--budget', budget, '--ranks', *forms.get(selection, [selection]), '--out', str(start)]
    if selection == 'evbmf':
        words += [
            '--cfg-options',
            f'custom_imports.imports={load_config(ROOT / dense[0]).custom_imports.imports + ["evbmf"]}',
        ]
    run_tool('compress', dense[0], str(dense[1]), *words)


def limit_of(kind: str, share: float, dense: Dense, folder: Path) -> float:
    """Parameters that are kept, or the MACs that the chains of this ratio have."""
    manifest = json.loads((ROOT / make('tt_sensitivity', share, dense, folder).parent / 'manifest.json').read_text())
    return manifest['macs after'] if kind == 'macs' else share * manifest['params before']


def narrow(method: str, kind: str, limit: float, dense: Dense, start: Path) -> None:
    """The widest plain YOLOv5 within the limit, from scratch or from slices of the trained one."""

    def fits(width: float) -> bool:
        return whole_cost(kind, build(dense[0], width_options(width)), ROOT / dense[0]) <= limit

    options = width_options(widest(fits))
    load_from = None
    if method.startswith('sliced'):
        wide = build_detector(load_config(ROOT / dense[0]), ROOT / dense[1]).state_dict()
        load_from = ROOT / start / 'sliced.pth'
        load_from.parent.mkdir(parents=True, exist_ok=True)
        save_atomic({'meta': {}, 'state_dict': sliced(wide, build(dense[0], options).state_dict())}, load_from)
    write_config(start, dense, options, load_from)


def build(config: str, options: list[str]) -> nn.Module:
    """A detector of a config without weights, in eval mode."""
    from mmdet.registry import MODELS

    return MODELS.build(load_config(ROOT / config, options).model).eval()


class Raw(nn.Module):
    """Images (N, 3, H, W), 0 .. 1 -> the head's maps."""

    def __init__(self, detector: nn.Module):
        super().__init__()
        self.backbone, self.neck, self.bbox_head = detector.backbone, detector.neck, detector.bbox_head

    def forward(self, images):
        return tuple(self.bbox_head.raw_predictions(self.neck(self.backbone(images))))


def pruned(method: str, kind: str, limit: float, dense: Dense, start: Path) -> None:
    """Torch-Pruning until the limit holds: whole channels with the least group magnitude."""
    try:
        import torch_pruning
    except ImportError:
        sys.exit('torch_pruning: not installed; pip install --no-deps -r requirements/benchmarks.txt')
    model = build_detector(load_config(ROOT / dense[0]), ROOT / dense[1]).eval()
    together = not method.startswith('pruned_layers')
    prune(model, torch_pruning, lambda own: whole_cost(kind, own, ROOT / dense[0]) <= limit, together)
    path = ROOT / start / 'pruned.pth'
    path.parent.mkdir(parents=True, exist_ok=True)
    save_atomic({'meta': {}, 'state_dict': model.state_dict()}, path)
    own = build(dense[0], [])
    kept = f"model = dict(type='OfShapes', of='{type(own).__name__}', shapes='{path}')"
    write_config(start, dense, [], path, kept, ['narrow'])


def prune(model: nn.Module, tool, fits: Callable[[nn.Module], bool], together: bool, steps: int = 200) -> None:
    """Prune in place, in small steps, until the model fits; all layers ``together``, or the same share of each."""
    network = Raw(model).requires_grad_(True)
    outputs = [x for x in model.bbox_head.modules() if isinstance(x, nn.Conv2d)]
    pruner = tool.pruner.BasePruner(
        network,
        torch.rand(1, 3, 64, 64),
        importance=tool.importance.GroupMagnitudeImportance(p=2),
        global_pruning=together,
        pruning_ratio=0.98,
        max_pruning_ratio=0.9,
        iterative_steps=steps,
        ignored_layers=outputs,
    )
    for _ in range(steps):
        pruner.step()
        if fits(model):
            return
    raise UserError('Torch-Pruning does not reach the limit')


def write_config(
    start: Path,
    dense: Dense,
    options: list[str],
    load_from: Path | str | None,
    model: str = '',
    imports: list[str] = (),
) -> None:
    """distill.py: a config of the small detector with the dense one as teacher of its head."""
    names = ['plugins.yolov5.register', 'plugins.tensor_train.register', *imports]
    lines = [f"_base_ = '{ROOT / dense[0]}'", f'custom_imports = dict(imports={names}, allow_failed_imports=False)']
    lines += [*head_alone(dense), f'load_from = {load_from and str(load_from)!r}']
    if options:
        values = dict(option.removeprefix('model.').split('=') for option in options)
        parts = [f'{key.split(".")[0]}=dict({key.split(".")[1]}={value})' for key, value in values.items()]
        model = f'model = dict({", ".join(parts)})'
    (ROOT / start).mkdir(parents=True, exist_ok=True)
    (ROOT / start / 'distill.py').write_text('\n'.join([*lines, model]) + '\n')


def head_alone(dense: Dense) -> list[str]:
    """Lines of a config: the dense detector is the teacher of the head."""
    return [
        f"hook = dict(type='DistillationHook', teacher={str(ROOT / dense[0])!r},",
        f'            checkpoint={str(ROOT / dense[1])!r}, weights=dict(bbox_head=1.0))',
        'custom_hooks = [*_base_.custom_hooks, hook]',
    ]


def edit_weights(config: Path) -> None:
    """Leave the head alone to the teacher."""
    text = (ROOT / config).read_text()
    (ROOT / config).write_text(text + "hook['weights'] = dict(bbox_head=1.0)\n")


def whole_cost(kind: str, model: nn.Module, config_file: Path) -> float:
    """What a detector costs as it is."""
    side = input_side(load_config(config_file), None)
    convs = all_convolutions(model, runner_of(model), torch.zeros(1, 3, side, side, dtype=torch.uint8))
    request = CostRequest(model, Config(dict(fpga=dict(array=ARRAY))), side, convs, ())
    return cost_model(kind)(request).fixed


def sizes(config_file: Path, checkpoint: Path, folder: Path) -> dict[str, float]:
    """params, macs, bytes; cycles where the accelerator can run it, ort_ms_THREADS where its bundle can be compared."""
    config = load_config(ROOT / config_file)
    model = build_detector(config, ROOT / checkpoint)
    found = {kind: whole_cost(kind, copy.deepcopy(model), ROOT / config_file) for kind in ('params', 'macs', 'bytes')}
    try:
        found['cycles'] = whole_cost('cycles', copy.deepcopy(model), ROOT / config_file)
    except UserError as error:
        print(f'cycles: {error}', flush=True)
    try:  # untrained or just pruned: rounding decides which boxes stay, so nothing is compared, and there is no time
        bundle = export('onnx', ExportRequest(model, config, input_side(config, None)), ROOT / folder)
    except UserError as error:
        print(f'ort_ms: {error}', flush=True)
        return found
    image = image_paths(config, 'val', 1)[0]
    return found | {f'ort_ms_{threads}': milliseconds(bundle.folder, image, threads) for threads in (1, 2)}


def milliseconds(folder: Path, image: Path, threads: int) -> float:
    """Median of CALLS runs of a bundle, image preparation excluded."""
    detector, times = Detector(folder, threads), []
    prepared = [detector.prepare(image)]
    for _ in range(CALLS + 2):
        began = time.perf_counter()
        detector.run(prepared)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[2:])


def int8_figures(config_file: Path, checkpoint: Path, folder: Path) -> dict[str, float]:
    """val_map, bytes and ort_ms of the onnx-int8 bundle of a trained detector."""
    config = load_config(ROOT / config_file)
    model = build_detector(config, ROOT / checkpoint)
    bundle = export('onnx-int8', ExportRequest(model, config, input_side(config, None)), ROOT / folder)
    int8, image = bundle.manifest['int8'], image_paths(config, 'val', 1)[0]
    found = {'val_map': int8['map_int8'], 'val_map_lost': int8['map_loss'], 'bytes': int8['bytes_int8']}
    return found | {f'ort_ms_{threads}': milliseconds(bundle.folder, image, threads) for threads in (1, 2)}
