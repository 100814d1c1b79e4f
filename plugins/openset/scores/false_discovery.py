"""The gate on the false-discovery rate: is what is called unknown more than what chance would call so? N boxes.

Benjamini & Hochberg 1995 on conformal p-values p = 1 - s (Bates et al. 2023, arXiv 2104.08279, shows that it holds for
them); using it as a gate for pseudo-labels is ours. No label is needed.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Gate(NamedTuple):
    """``tau``: boxes with at least this strangeness pass, None where no threshold keeps the limit; ``rate``, the
    estimated share of false ones among them, or the least there is; ``passed`` boxes."""

    tau: float | None
    rate: float
    passed: int


def false_discovery_rate(strangeness: Tensor, tau: float) -> float:
    """(1 - tau) N / N_pass(tau), at most 1: expected over found, as if no box were unknown; 1 where none passes."""
    passed = int((strangeness >= tau).sum())
    return min(1.0, (1 - tau) * len(strangeness) / passed) if passed else 1.0


def discovery_gate(strangeness: Tensor, limit: float = 0.5) -> Gate:
    """The smallest threshold whose false-discovery rate is at most ``limit``.

    Args:
        strangeness: (N,) 1 - p of boxes of unlabelled images; of known boxes uniform over 0..1.
        limit: 0..1.

    Raises:
        ValueError: a strangeness outside 0..1.
    """
    if not len(strangeness):
        return Gate(None, 1.0, 0)
    ordered = strangeness.double().sort(descending=True).values
    if ordered[0] > 1 or ordered[-1] < 0:
        raise ValueError(f'discovery_gate: strangeness {ordered[-1]:g}..{ordered[0]:g}; wanted 0..1')
    passed = torch.searchsorted(-ordered, -ordered, right=True)  # boxes with at least as much, ties included
    rates = ((1 - ordered) * len(ordered) / passed).clamp(max=1)
    good = (rates <= limit).nonzero()[:, 0]
    if not len(good):
        return Gate(None, float(rates.min()), 0)
    last = int(good[-1])
    return Gate(float(ordered[last]), float(rates[last]), int(passed[last]))
