"""Quantised detectors from a config."""

from types import MethodType

from mmdet.registry import MODELS
from torch import nn

from detplug.errors import UserError

from .extra import needs_extra

DISTILLABLE = ('bbox_head',)  # parts whose outputs have the float detector's scale; other maps have gains


@MODELS.register_module()
def Quantised(base: str, form: str = 'chain', **settings) -> nn.Module:
    """Build ``dict(type=base, **settings)`` and make it int8: the model itself, whatever takes that takes this.

    Its scales are those of its checkpoint; ``tools/compress.py --method fpga`` makes the first one.

    Args:
        base: type of a detector in mmdet's registry of models.
        form: of Tensor-Train layers: ``chain`` runs the cores as convolutions, ``rebuild`` the kernel made of them.

    Raises:
        UserError: the extra [fpga] is missing, or a detector that has no integer form.
    """
    return quantised_detector(MODELS.build(dict(type=base, **settings)), form)


def quantised_detector(model: nn.Module, form: str = 'chain') -> nn.Module:
    """Make a float detector int8, in place, its scales still to be chosen; returns ``model``.

    Raises:
        UserError: as :func:`Quantised`.
    """
    with needs_extra():
        from .quantised.plain import make_plain
        from .quantised.raw_network import RawNetwork
        from .quantised.replace import quantise
    check_preprocessing(model)
    quantise(RawNetwork(model), form)
    model.distillable_parts = DISTILLABLE
    model.prepare_export = MethodType(make_plain, model)  # of the host's exporters, which know no brevitas
    return model


def check_preprocessing(model: nn.Module) -> None:
    """Refuse images that are not pixel / 255, which is what the input of 8 bits holds.

    Raises:
        UserError: another mean or std.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if getattr(preprocessor, '_enable_normalize', False) and (
        preprocessor.mean.any() or (preprocessor.std != 255).any()
    ):
        raise UserError(
            'model: data_preprocessor: images are not pixel / 255; give mean=[0, 0, 0], std=[255, 255, 255]'
        )
