"""Ranks in two stages: cut halfway to the budget, measure the layers again on that model, choose the final ranks by it.

Ours. What one layer's cut costs is measured while all others are whole; far from there, with all of them cut, another
layer may be the dear one. The second measurement is made where half of the way is behind: its losses are those of the
ranks below the halfway ones, so no layer gets back what the first stage took.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import nn

from detplug.errors import UserError

from .compress import Compression
from .compressed import Ranks
from .decomposition import kernel_from_chain
from .ranks.selectors import SELECTORS
from .ranks.sensitivity import other_kernel


def check_measures(selector: str) -> None:
    """Refuse a selection that would find the same again: one whose class does not say ``measures_cuts``.

    Raises:
        UserError: it is one, a file of ranks, or none that is registered.
    """
    if not selector.endswith('.csv') and getattr(SELECTORS.find(selector), 'measures_cuts', False):
        return
    able = [name for name, own in SELECTORS.items() if getattr(own, 'measures_cuts', False)]
    raise UserError(
        f'--measure-again: --ranks {selector} does not measure what cuts change in the model; leave it out, or choose '
        f'{" or ".join(able)}'
    )


def ranks_measured_again(work: Compression, selector: str, shares: Mapping[str, float]) -> tuple[Ranks, Mapping]:
    """Ranks with which the model keeps at most these shares of what it costs now, and the scores of the second stage.

    Args:
        shares: kind of cost -> share that is kept; the first stage keeps half of what is to go of each.

    Raises:
        UserError: a selection that measures nothing, or no ranks are so small.
    """
    check_measures(selector)
    work.ranks(selector, shares)  # refuses what cannot be reached before the second measurement
    halfway = work.ranks(selector, {kind: (1 + share) / 2 for kind, share in shares.items()})
    modules = dict(work.model.named_modules())
    kernels = {name: kernel_from_chain(chain) for name, chain in work.kernels(halfway, 'activation').items()}
    with other_kernels(modules, kernels):
        scores = SELECTORS[selector]().scores(work.model, work.layers, replace(work.data, _moments={}))
    return work.allocated(selector, scores, shares, halfway), scores


@contextmanager
def other_kernels(modules: Mapping[str, nn.Module], kernels: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """The named convolutions have these kernels inside the block and their own after it."""
    with torch.no_grad(), ExitStack() as stack:
        for name, kernel in kernels.items():
            stack.enter_context(other_kernel(modules[name], kernel))
        yield
