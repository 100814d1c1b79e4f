"""What ``tools/compress.py --method fpga`` calls: the int8 detector after calibration, and the config to train it."""

import copy
from argparse import ArgumentParser
from pathlib import Path

from torch import nn

from detplug.compression.compressors import CompressRequest, register_compressor
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.errors import UserError
from detplug.export.bundle import write_manifest

from .bundle.fit import check_fit
from .calibration_images import calibration_images
from .extra import needs_extra
from .fine_tuning import write_config
from .model import quantised_detector

DEFAULTS = {'images': 32, 'form': 'chain', 'scales': 'channel'}


def add_options(parser: ArgumentParser) -> None:
    """What only this compressor takes."""
    parser.add_argument('--images', type=int, help=f'of the training split; default {DEFAULTS["images"]}')
    parser.add_argument('--form', choices=('chain', 'rebuild'), help='of Tensor-Train layers; default chain')
    parser.add_argument(
        '--scales', choices=('channel', 'tensor'), help='one of each output channel of a kernel (default), or of all'
    )


@register_compressor('fpga', add_options, without_budget=lambda settings: '--method fpga keeps all parameters')
def compress_detector(request: CompressRequest, folder: Path) -> dict[str, float | str]:
    """Write compressed.pth and config.py into ``folder``, and the files that the config names.

    Settings: ``images`` (of calibration), ``form`` (of Tensor-Train layers: ``chain`` or ``rebuild``), ``scales`` (of
    kernels: one a ``channel`` or one a ``tensor``).

    Raises:
        UserError: no images, the extra [fpga] is missing, a detector that has no integer form, or one that the board or
            the accelerator of the config's ``fpga`` does not hold.
    """
    settings = DEFAULTS | dict(request.settings)
    if settings['images'] < 1:
        raise UserError(f'--images {settings["images"]}: the scales are chosen on images; give at least 1')
    check_fit(request.model, request.cfg, request.img_size, settings['form'])
    with needs_extra():
        from .quantised.calibration import calibrate
        from .quantised.raw_network import RawNetwork
    model = quantised_detector(copy.deepcopy(request.model).eval(), settings['form'])
    images = calibration_images(model, request.cfg, request.img_size, settings['images'])
    calibrate(RawNetwork(model), images, per_channel=settings['scales'] == 'channel')
    saved = load_file(request.checkpoint)
    save_atomic({'meta': saved.get('meta', {}), 'state_dict': model.state_dict()}, folder / 'compressed.pth')
    left_out = write_config(request.cfg, settings['form'], folder)
    facts: dict[str, float | str] = weight_bytes(model) | {'images': sum(map(len, images))}
    facts |= {name: settings[name] for name in ('form', 'scales')}
    if left_out:
        facts['distillation without'] = f'{", ".join(left_out)}: in int8 these maps have gains'
    write_manifest(folder, {'format': 'fpga-quantised', **facts})
    return facts


def weight_bytes(model: nn.Module) -> dict[str, float]:
    """What the parameters of the convolutions take in float32 and in int8 (biases int32)."""
    sizes = {len(x.shape) > 1: 0 for x in model.parameters()}
    for x in model.parameters():
        sizes[len(x.shape) > 1] += x.numel()
    kernels, biases = sizes.get(True, 0), sizes.get(False, 0)
    return {'bytes in float': 4 * (kernels + biases), 'bytes in int8': kernels + 4 * biases}
