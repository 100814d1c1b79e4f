"""Models with Tensor-Train layers from a config: any mmdet part, its convolutions replaced as the ranks say.

TT-YOLOv5 (Liu et al., arXiv 2408.01534) has one rank for all layers; a table of ranks and any other model are ours.
"""

from collections.abc import Mapping

from mmcv.cnn import fuse_conv_bn
from mmcv.cnn.bricks.hswish import HSwish
from mmcv.cnn.bricks.swish import Swish
from mmcv.cnn.bricks.wrappers import Conv2d
from mmdet.registry import MODELS
from torch import nn

from detplug.errors import UserError

from .counts import chain_params, dense_params
from .decomposition import max_ranks
from .ranks_file import read_ranks
from .tt_conv import TTConv2d

Ranks = dict[str, tuple[int, ...]]
PLAIN = (nn.Conv2d, Conv2d)  # mmcv's differs for empty inputs only; what other subclasses compute, a chain may not
ACTIVATIONS = (  # that ReLU may stand for
    nn.SiLU, Swish, nn.Hardswish, HSwish, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.Mish, nn.ELU, nn.ReLU6,
)  # fmt: skip


@MODELS.register_module()
def TTCompressed(
    of: str,
    ranks: int | str | Mapping[str, tuple[int, ...]],
    fold_bn: bool = False,
    relu: bool = False,
    **settings,
):
    """Build ``dict(type=of, **settings)`` and replace its convolutions by Tensor-Train chains.

    The result is the model itself, an object of the type ``of``: whatever takes that takes this.

    Args:
        of: type of a detector, backbone or any other part in mmdet's registry of models.
        ranks: one rank for every layer that a chain of this rank makes smaller (the paper's); a file ranks.csv; or
            ``{name of a layer: ranks}``. Layers that are not named stay dense.
        fold_bn: batch norms are part of the convolutions, as in a model that was compressed with folding.
        relu: ReLU in place of every other activation, for hardware that has no table of them.

    Raises:
        UserError: a name that is no convolution of the model, or ranks that its kernel cannot have.
    """
    model = MODELS.build(dict(type=of, **settings))
    if fold_bn:
        fuse_conv_bn(model)
    if relu:
        activations_to_relu(model)
    if isinstance(ranks, int):
        ranks = uniform_ranks(model, ranks)
    elif isinstance(ranks, str):
        ranks = read_ranks(ranks)
    return replace_layers(model, {name: tuple(value) for name, value in ranks.items()})


@MODELS.register_module()
def TTYOLOv5Backbone(ranks: int | str | Mapping[str, tuple[int, ...]], **settings):
    """YOLOv5Backbone with Tensor-Train layers, see :func:`TTCompressed`."""
    return TTCompressed('YOLOv5Backbone', ranks, **settings)


def activations_to_relu(model: nn.Module) -> int:
    """ReLU in place of every one of ACTIVATIONS in ``model``, in place; returns how many there were."""
    count = 0
    for parent in list(model.modules()):
        for name, child in parent._modules.items():  # named_children leaves out the second name of a shared module
            if isinstance(child, ACTIVATIONS):
                setattr(parent, name, nn.ReLU())
                count += 1
    return count


def uniform_ranks(model: nn.Module, rank: int) -> Ranks:
    """``rank`` at every bond, at most the full rank, of every convolution that becomes smaller by it.

    Raises:
        UserError: a rank below 1.
    """
    if rank < 1:
        raise UserError(f'config: ranks: {rank}; give a rank of at least 1')
    uniform = {}
    for name, conv in model.named_modules():
        if compressible(conv):
            shape = conv.out_channels, conv.in_channels, conv.kernel_size
            layer_ranks = tuple(min(rank, full) for full in max_ranks(*shape))
            if chain_params(*shape, layer_ranks) < dense_params(*shape):
                uniform[name] = layer_ranks
    return uniform


def compressible(module: nn.Module) -> bool:
    """Whether a module is a convolution that has a chain: neither grouped, nor padded by anything but zeros."""
    return type(module) in PLAIN and module.groups == 1 and module.padding_mode == 'zeros'


def replace_layers(model: nn.Module, ranks: Ranks, kernels: Mapping[str, tuple] | None = None) -> nn.Module:
    """Replace the named convolutions of ``model`` by chains, in place; returns ``model``.

    A convolution that several modules share is one chain in all of them.

    Args:
        ranks: full name of a layer -> (r,) or (r1, r2).
        kernels: full name -> kernels of its chain; by default new ones, as for a training from scratch.

    Raises:
        UserError: a name that is no convolution of the model, or ranks that its kernel cannot have.
    """
    check_ranks(model, ranks)
    modules = dict(model.named_modules())
    chains = {
        modules[name]: _chain(modules[name], layer_ranks, kernels and kernels[name])
        for name, layer_ranks in ranks.items()
    }
    replace_modules(model, chains)
    return model


def replace_modules(model: nn.Module, others: Mapping[nn.Module, nn.Module]) -> None:
    """Put others in the places of modules of ``model``, under every name that they have."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child in others:
                setattr(parent, name, others[child])


def check_ranks(model: nn.Module, ranks: Ranks) -> None:
    """Refuse ranks that do not fit the model.

    Raises:
        UserError: a name that is no convolution of the model, or ranks that its kernel cannot have.
    """
    modules = dict(model.named_modules())
    for name, layer_ranks in ranks.items():
        conv = modules.get(name)
        if not compressible(conv):
            raise UserError(
                f'ranks: {name!r} is no convolution of {type(model).__name__} that has a chain; mend its name'
            )
        full = max_ranks(conv.out_channels, conv.in_channels, conv.kernel_size)
        if len(layer_ranks) != len(full) or not all(1 <= r <= most for r, most in zip(layer_ranks, full, strict=True)):
            raise UserError(f'ranks: {name}: {layer_ranks}; give {len(full)} of at least 1 and at most {full}')


def _chain(conv: nn.Conv2d, ranks: tuple[int, ...], kernels: tuple | None) -> TTConv2d:
    if kernels is not None:
        return TTConv2d.from_conv(conv, ranks, kernels)
    shape = conv.in_channels, conv.out_channels, conv.kernel_size
    place = dict(stride=conv.stride, padding=conv.padding, dilation=conv.dilation)
    chain = TTConv2d(*shape, ranks, **place, bias=conv.bias is not None)
    return chain.to(conv.weight)
