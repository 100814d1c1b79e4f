"""The graph of a network's operations, by torch.fx; a Tensor-Train chain is one operation.

A chain is any module with ``cores``, an nn.Sequential of two or three nn.Conv2d, and ``weight``.
"""

from torch import fx, nn

from detplug.errors import UserError

from .activation_table import ActivationTable, is_table_activation
from .rebuilt_conv import RebuiltConv2d


def is_chain(module: nn.Module) -> bool:
    """Whether a module is a Tensor-Train chain of convolutions."""
    cores = getattr(module, 'cores', None)
    return (
        isinstance(cores, nn.Sequential)
        and len(cores) in (2, 3)
        and all(isinstance(core, nn.Conv2d) for core in cores)
        and not isinstance(module, RebuiltConv2d)
    )


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a convolution: dense, a chain, or rebuilt from its cores."""
    return isinstance(module, nn.Conv2d | RebuiltConv2d) or is_chain(module)


class LayerTracer(fx.Tracer):
    """Follows a network as far as its layers.

    Attributes:
        returned: node -> name of the innermost module, no layer itself, that returns it.
    """

    def __init__(self):
        super().__init__()
        self.returned: dict[fx.Node, str] = {}

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        """Layers, activations, and whatever torch and brevitas have ready."""
        if isinstance(module, ActivationTable) or is_table_activation(module):
            return True
        ready = module.__module__.startswith(('torch.nn', 'brevitas.nn')) and not isinstance(module, nn.Sequential)
        return ready or is_layer(module) or hasattr(module, 'cores')

    def call_module(self, module, forward, args, kwargs):
        """Remember which module returns what."""
        result = super().call_module(module, forward, args, kwargs)
        name = self.path_of_module(module)
        if isinstance(result, fx.Proxy) and not self.is_leaf_module(module, name):
            self.returned.setdefault(result.node, name)
        return result


def trace(network: nn.Module) -> tuple[fx.Graph, dict[fx.Node, str]]:
    """The operations of ``network`` in their order, and :attr:`LayerTracer.returned`.

    Raises:
        UserError: a network whose operations depend on the values in it.
    """
    tracer = LayerTracer()
    try:
        return tracer.trace(network), tracer.returned
    except (fx.proxy.TraceError, TypeError, NameError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f'model: {type(network).__name__}: cannot be followed ({reason}); take a network of fixed operations'
        ) from error
