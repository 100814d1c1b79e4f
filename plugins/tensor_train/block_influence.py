"""Whole blocks removed where they change least: the baseline of a chain of small convolutions.

Block Influence is ShortGPT's (Men et al., arXiv 2403.03853): 1 - cosine of what goes into a block and what comes out,
the mean over its tokens, here over the locations of its maps. Blocks with the lowest go first, none is measured again.
What counts as a block of a detector is ours: the innermost members of sequences that hold at least two convolutions and
whose output has the shape of their input (bottlenecks of C3, residual blocks), each run once.
"""

import copy
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from detplug.compression.compressors import CompressRequest, register_compressor
from detplug.compression.costs import CostRequest, cost_model
from detplug.engine.checkpoint import load_file, save_atomic
from detplug.errors import UserError
from detplug.export.bundle import write_manifest
from detplug.export.images import image_paths
from detplug.images.reading import read_image

from .calibration import BATCH, letterboxed, runner_of
from .conv_layers import all_convolutions
from .fine_tuning_configs import write_configs

IMAGES = 64


@MODELS.register_module()
def WithoutBlocks(of: str, blocks: Sequence[str], **settings) -> nn.Module:
    """Build ``dict(type=of, **settings)`` without its ``blocks``: what goes in comes out.

    Raises:
        UserError: a name that is no module of it.
    """
    return without_blocks(MODELS.build(dict(type=of, **settings)), blocks)


def without_blocks(model: nn.Module, blocks: Iterable[str]) -> nn.Module:
    """Replace the named modules by identities, in place; returns ``model``.

    Raises:
        UserError: a name that is no module of it.
    """
    for name in blocks:
        if not name or name not in dict(model.named_modules()):
            raise UserError(f'config: model: blocks: {name!r} is no module of {type(model).__name__}; mend its name')
        model.set_submodule(name, nn.Identity())
    return model


def block_influences(model: nn.Module, run: Callable[[Tensor], object], batches: Iterable[Tensor]) -> dict[str, float]:
    """Block Influence of every block of ``model`` over images, in order of execution; empty without blocks.

    Args:
        run: runs the model on images; batches: images (N, 3, H, W) as ``run`` takes them, at least one.
    """
    cosines: dict[str, list[Tensor]] = {}
    calls: dict[str, int] = {}
    batches = list(batches)

    def hook(name: str):
        def note(module: nn.Module, inputs: tuple, output: object) -> None:
            calls[name] = calls.get(name, 0) + 1
            if isinstance(output, Tensor) and output.dim() == 4 and [x.shape for x in inputs] == [output.shape]:
                cosines.setdefault(name, []).append(cosine_similarity(inputs[0], output, dim=1).flatten())

        return note

    handles = [x.register_forward_hook(hook(name)) for name, x in repeated_modules(model).items()]
    try:
        with torch.no_grad():
            for images in batches:
                run(images)
    finally:
        for handle in handles:
            handle.remove()
    once = [name for name in cosines if len(cosines[name]) == calls[name] == len(batches)]
    inner = [name for name in once if not any(other.startswith(f'{name}.') for other in once)]
    return {name: 1 - torch.cat(cosines[name]).double().mean().item() for name in inner}


def repeated_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Members of sequences that hold two convolutions or more; a branch inside a residual block is none."""
    return {
        f'{name}.{child}'.lstrip('.'): module
        for name, parent in model.named_modules()
        if isinstance(parent, nn.Sequential | nn.ModuleList)
        for child, module in parent.named_children()
        if not isinstance(module, nn.Sequential) and sum(isinstance(x, nn.Conv2d) for x in module.modules()) > 1
    }


def add_options(parser: ArgumentParser) -> None:
    """What only this compressor takes."""
    parser.add_argument('--images', type=int, help=f'of the training split; default {IMAGES}')


@register_compressor('block_influence', options=add_options)
def remove_blocks(request: CompressRequest, folder: Path) -> dict[str, float | str]:
    """Write compressed.pth, config.py, distill.py and manifest.json with the influence of each block into ``folder``.

    Settings: ``images`` (on which influence is measured).

    Raises:
        UserError: a detector without blocks, or a budget that removing all of them does not reach.
    """
    if request.cfg.model.type in ('TTCompressed', 'WithoutBlocks'):
        raise UserError(
            f'{request.cfg.filename}: model: {request.cfg.model.type}: blocks are removed of a dense detector'
        )
    run = runner_of(request.model)
    batches = images_of(request)
    influence = block_influences(request.model, run, batches)
    if not influence:
        raise UserError(f'{request.cfg.filename}: model: no block of two convolutions keeps the shape of its map')
    order = sorted(influence, key=influence.get)
    model, removed = fitting(request, order, batches[0][:1])
    saved = load_file(request.checkpoint)
    save_atomic({'meta': saved.get('meta', {}), 'state_dict': model.state_dict()}, folder / 'compressed.pth')
    dense = request.cfg.model.to_dict()
    write_configs(request, folder, dense | {'type': 'WithoutBlocks', 'of': dense['type'], 'blocks': list(removed)})
    facts: dict[str, float | str] = {'blocks removed': f'{len(removed)} of {len(order)}'}
    for kind in dict.fromkeys(('params', 'macs', *request.shares)):
        before, after = (whole_cost(kind, request, x, batches[0][:1]) for x in (request.model, model))
        facts |= {f'{kind} before': before, f'{kind} after': after}
    write_manifest(folder, {'format': 'block_influence', 'budget': request.budget, 'influence': influence, **facts})
    return facts


def images_of(request: CompressRequest) -> Sequence[Tensor]:
    """Batches of the training split's images.

    Raises:
        UserError: fewer than one is asked for, or none is there.
    """
    count = request.settings.get('images', IMAGES)
    if count < 1:
        raise UserError(f'--images {count}: influence is measured on images; give at least 1')
    return letterboxed(map(read_image, image_paths(request.cfg, 'train', count)), request.img_size).split(BATCH)


def fitting(request: CompressRequest, order: Sequence[str], image: Tensor) -> tuple[nn.Module, Sequence[str]]:
    """The model without the fewest blocks, in this order, that is within the budget, and those blocks.

    Raises:
        UserError: it is not reached without all of them.
    """
    whole = {kind: whole_cost(kind, request, request.model, image) for kind in request.shares}
    for count in range(len(order) + 1):
        model = without_blocks(copy.deepcopy(request.model), order[:count])
        kept = {kind: whole_cost(kind, request, model, image) / cost for kind, cost in whole.items()}
        if all(kept[kind] <= share for kind, share in request.shares.items()):
            return model, order[:count]
    kind = max(request.shares, key=lambda kind: kept[kind] / request.shares[kind])
    raise UserError(
        f'--budget {request.shares[kind]:g}: without all {len(order)} blocks {kept[kind]:.3f} of {kind} are left; '
        'give at least that'
    )


def whole_cost(kind: str, request: CompressRequest, model: nn.Module, image: Tensor) -> float:
    """What a model costs as it is."""
    convs = all_convolutions(model, runner_of(model), image)
    return cost_model(kind)(CostRequest(model, request.cfg, request.img_size, convs, ())).fixed
