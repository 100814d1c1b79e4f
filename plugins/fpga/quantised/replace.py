"""A float network becomes a quantised one, in place: same names, brevitas layers, scales still to be chosen."""

from collections import OrderedDict

from torch import nn

from detplug.errors import UserError

from .fold import fold_batch_norms
from .layers import input_quantiser, quantised_activation, quantised_layer, quantiser
from .structure import INPUT, read_structure

FORMS = ('chain', 'rebuild')


def quantise(network: nn.Module, form: str = 'chain') -> nn.Module:
    """Fold the batch norms of ``network`` (images -> maps) and replace its layers; returns ``network``.

    A sum is rounded after the module that returns it; the image before every layer that reads it.

    Args:
        form: of Tensor-Train layers, one of FORMS.

    Raises:
        UserError: another form, or a network that has no integer form, see :func:`read_structure`.
    """
    if form not in FORMS:
        raise UserError(f'form: {form!r}: no such form; one of {", ".join(FORMS)}')
    structure = read_structure(fold_batch_norms(network))
    modules = dict(network.named_modules())
    for name, source in structure.reads.items():
        layer = quantised_layer(modules[name], form)
        if structure.shared.of(source) == structure.shared.of(INPUT):
            layer = nn.Sequential(OrderedDict(quant=input_quantiser(), layer=layer))
        network.set_submodule(name, layer)
    for name in structure.activations:
        network.set_submodule(name, quantised_activation(modules[name], structure.signed(name), structure.offset(name)))
    for name in sorted(structure.sums, key=lambda name: name.count('.'), reverse=True):  # the inner ones first
        quant = quantiser(structure.signed(name), structure.offset(name))
        network.set_submodule(name, nn.Sequential(OrderedDict(block=modules[name], quant=quant)))
    return network
