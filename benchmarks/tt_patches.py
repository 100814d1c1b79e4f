"""What each k x k layer's output loses at the ranks of 4x: whitened by the moment of pixels, then fitted to patches.

The official YOLOv5n, IMAGES images of coco_tiny train; nothing is trained. Error: norm of the change over the output's
norm, all positions, each layer alone, for the images of the calibration and for as many of val. LAYER.whitened and
LAYER.patches, the same with ``_val``; mean.* over the layers; maps.*: mean square of what all cuts together change in
the maps that the heads see and give, over their mean square, on val.

python benchmarks/tt_patches.py
"""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from finetuning import ROOT, WEIGHTS, convert_weights
from record import record
from torch import Tensor, nn

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.export.images import image_paths
from detplug.export.pipeline import input_side
from detplug.images.reading import read_image
from plugins.tensor_train.calibration import BATCH, calibration_data, letterboxed, runner_of
from plugins.tensor_train.compress import Compression
from plugins.tensor_train.compressed import replace_layers
from plugins.tensor_train.decomposition import Kernels, kernel_from_chain
from plugins.tensor_train.patch_fit import chain_for_images
from plugins.tensor_train.ranks.sensitivity import watched_maps
from plugins.tensor_train.whitening import chain_from_kernel_and_moments

CONFIG = 'configs/yolov5/yolov5n_coco-tiny.py'
SHARE, IMAGES = 0.25, 12
os.environ.setdefault('DETPLUG_DATA', str(ROOT.parent / 'shared' / 'data'))


def errors(
    model: nn.Module, run: Callable, batches: Sequence[Tensor], kernels: Mapping[str, Tensor]
) -> dict[str, float]:
    """Relative error of each layer's output with another kernel, its input unchanged."""
    modules, sums = dict(model.named_modules()), {name: torch.zeros(2).double() for name in kernels}

    def hook(name: str) -> Callable:
        def note(conv: nn.Conv2d, inputs: tuple, output: Tensor) -> None:
            place = dict(stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
            pair = (F.conv2d(inputs[0], kernel, **place) for kernel in (conv.weight - kernels[name], conv.weight))
            sums[name] += torch.stack([x.double().square().sum() for x in pair])

        return note

    handles = [modules[name].register_forward_hook(hook(name)) for name in kernels]
    with torch.no_grad():
        for images in batches:
            run(images)
    for handle in handles:
        handle.remove()
    return {name: (changed / whole).sqrt().item() for name, (changed, whole) in sums.items()}


def map_change(models: Sequence[nn.Module], batches: Sequence[Tensor]) -> float:
    """Mean over the watched maps of what the second model changes, as a share of their squares."""
    found = []
    for model in models:
        with torch.no_grad(), watched_maps(model, runner_of(model)) as maps:
            found.append([[x.clone() for x in maps(images)] for images in batches])
    pairs = zip(*(map(torch.cat, zip(*batches_of, strict=True)) for batches_of in found), strict=True)
    return statistics.mean(((b - a).square().sum() / a.square().sum()).item() for a, b in pairs)


def main() -> None:
    convert_weights('../shared/weights/yolov5n.pt')
    config = load_config(ROOT / CONFIG)
    model, side = build_detector(config, WEIGHTS), input_side(config, None)
    work = Compression(model, calibration_data(model, config, side, IMAGES), cfg=config)
    val = letterboxed(map(read_image, image_paths(config, 'val', IMAGES)), side).split(BATCH)
    ranks, modules = work.ranks('sensitivity', SHARE), dict(model.named_modules())
    moments = work.data.moments(model, ranks)
    chains: dict[str, dict[str, Kernels]] = {'whitened': {}, 'patches': {}}
    for name, own in ranks.items():
        weight, of = modules[name].weight.detach(), moments[name]
        chains['whitened'][name] = chain_from_kernel_and_moments(weight, own, of.input, of.output)
        chains['patches'][name] = chain_for_images(weight, own, of)
    figures, layers = {}, [name for name in ranks if modules[name].kernel_size != (1, 1)]
    for form, kernels in chains.items():
        dense = {name: kernel_from_chain(kernels[name]) for name in layers}
        for end, batches in (('', work.data.images), ('_val', val)):
            lost = errors(model, work.data.run, batches, dense)
            figures |= {f'{name}.{form}{end}': value for name, value in lost.items()}
            figures[f'mean.{form}{end}'] = statistics.mean(lost.values())
        small = replace_layers(build_detector(config, WEIGHTS), ranks, kernels)
        figures[f'maps.{form}'] = map_change((model, small), val)
    keys = ('whitened', 'patches', 'whitened_val', 'patches_val')
    print(f'{"layer":38} {"ranks":>8} ' + ' '.join(f'{key:>12}' for key in keys))
    for name in (*layers, 'mean'):
        words = ' '.join(map(str, ranks.get(name, ())))
        print(f'{name:38} {words:>8} ' + ' '.join(f'{figures[f"{name}.{key}"]:12.4f}' for key in keys))
    record('tt_patches', figures, [])


if __name__ == '__main__':
    main()
