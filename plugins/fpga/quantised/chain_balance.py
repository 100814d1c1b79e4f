"""Maps between the cores of a Tensor-Train chain, mixed so that 8 bits of them cost the sums of the chain little.

The channels of such a map may be mixed by any invertible matrix that the next core undoes. With one step of rounding a
channel the error of the sums is, up to a constant, the sum over channels of (mean square of the channel) times (squared
size of the kernel that reads it). By the inequality of Cauchy and Schwarz it is least where both are the same and all
channels are alike: both get the same diagonal and are then rotated at random, which comes near. Ours; `balance.py` does
the same without images for kernels that are rebuilt; rotation before rounding is known from QuIP (Chee et al., arXiv
2307.13304).

r rank of a bond, O output channels of the chain.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .balance import rotation
from .scales import map_groups
from .structure import Structure
from .trace import is_chain
from .watching import in_float

DAMPING = 0.01  # of the mean, so that channels that hardly hold or do anything are not blown up


@torch.no_grad()
def balance_chains(network: nn.Module, structure: Structure, batches: Sequence[Tensor]) -> None:
    """Mix the maps inside of all chains, in place; what the network puts out in float stays the same.

    Args:
        batches: images (N, 3, H, W), 0 .. 1; they pass once, in float.
    """
    chains = [module for module in network.modules() if is_chain(module)]
    moments = {core: torch.zeros((), dtype=torch.float64) for chain in chains for core in [*chain.cores][:-1]}

    def add(core: nn.Module, _, made: Tensor) -> None:
        pixels = made.double().transpose(0, 1).flatten(1)
        moments[core] = moments[core] + pixels @ pixels.T / pixels.shape[1]

    with in_float(network, map_groups(network, structure)), ExitStack() as stack:
        for core in moments:
            stack.callback(core.register_forward_hook(add).remove)
        for batch in batches:
            network(batch)
    for chain in chains:
        for index, core in enumerate([*chain.cores][:-1]):
            behind = chain.cores[index + 1 :]
            mix, back = even_mix(moments[core], columns_of(behind))
            core.weight.copy_(torch.einsum('sr,rihw->sihw', mix, core.weight.double()))
            behind[0].weight.copy_(torch.einsum('orhw,rs->oshw', behind[0].weight.double(), back))


def columns_of(cores: Sequence[nn.Conv2d]) -> Tensor:
    """(O * taps, r): what all cores together make of each channel of the map that the first one reads.

    The cores behind the first one are 1x1.
    """
    first, *others = (core.weight.double() for core in cores)
    made = first.flatten(2).transpose(1, 2).flatten(1)
    for core in others:
        made = core[:, :, 0, 0] @ made
    return made.reshape(-1, first.shape[1])


def even_mix(moment: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """An invertible (r, r) for the channels of a map, and its inverse.

    Args:
        moment: (r, r) mean of the map times the map transposed.
        columns: (N, r) of the kernels that read it.
    """
    size = len(moment)
    floor = DAMPING * moment.diagonal().mean().clamp(min=torch.finfo(moment.dtype).tiny)
    lower = torch.linalg.cholesky(moment + floor * torch.eye(size).to(moment))
    _, s, vh = torch.linalg.svd(torch.linalg.qr(columns)[1] @ lower, full_matrices=True)
    s = F.pad(s, (0, size - len(s)))
    root = (s + DAMPING * s.mean().clamp(min=torch.finfo(s.dtype).tiny)).sqrt()
    turn = rotation(size).to(moment)
    return turn @ (root[:, None] * vh) @ torch.linalg.inv(lower), (lower @ vh.T / root) @ turn.T
