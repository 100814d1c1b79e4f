"""The registry of compressors: ``tools/compress.py`` calls them, plugins fill it.

A plugin's module registers a function::

    @register_compressor('tensor_train')
    def compress(request: CompressRequest, folder: Path) -> dict:
        ...  # write config.py, compressed.pth and ranks.csv into ``folder``; return flat facts for the screen
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from detplug.errors import UserError
from detplug.export.bundle import staging

BUDGETS = ('params', 'macs', 'latency', 'cycles')


@dataclass(frozen=True)
class CompressRequest:
    """What a compressor works from.

    Attributes:
        model: detector in eval mode with its weights.
        cfg: the whole config; its data sets give images for calibration.
        checkpoint: file of the weights.
        budget: what is kept, 0 to 1, of what ``budget_kind`` counts: 0.5 makes the model 2x smaller; None for a
            compressor that takes none, and with a file of ranks.
        budget_kind: one of BUDGETS.
        ranks: name of the rank selector, or a file FILE.csv of ranks.
        init: how kept weights begin: ``svd`` or ``activation``.
        img_size: side of the square input, pixels, at which MACs and times are counted.
        settings: what only one compressor knows, by name.
    """

    model: nn.Module
    cfg: Config
    checkpoint: Path
    budget: float | None
    budget_kind: str = 'params'
    ranks: str = 'lwiq'
    init: str = 'activation'
    img_size: int = 640
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ranks_file(self) -> Path | None:
        """The file of ranks, which is there in place of a selector and a budget."""
        return Path(self.ranks) if self.ranks.endswith('.csv') else None


Compressor = Callable[[CompressRequest, Path], dict[str, float | str]]
COMPRESSORS: dict[str, Compressor] = {}
WITHOUT_BUDGET: set[str] = set()  # compressors that keep the number of parameters, and take no ranks
SELECTORS: dict[str, type] = {}


def register_compressor(name: str, budget: bool = True) -> Callable[[Compressor], Compressor]:
    """Decorator that adds a compressor under ``name``.

    Args:
        budget: whether it works to a budget, by ranks.

    Raises:
        KeyError: the name is taken.
    """
    if not budget:
        WITHOUT_BUDGET.add(name)
    return _adder(COMPRESSORS, 'compressor', name)


def register_selector(name: str) -> Callable[[type], type]:
    """Decorator that adds a class of rank selectors under ``name``, for ``--ranks NAME``.

    Raises:
        KeyError: the name is taken.
    """
    return _adder(SELECTORS, 'rank selector', name)


def _adder(registry: dict, what: str, name: str) -> Callable:
    def add(part):
        known = registry.setdefault(name, part)
        if (known.__module__, known.__qualname__) != (part.__module__, part.__qualname__):
            raise KeyError(f'{what} {name!r} is registered already: {known.__module__}')
        return part

    return add


def compress(name: str, request: CompressRequest, out: str | Path) -> dict[str, float | str]:
    """Compress into folder ``out``, which appears when all of it is written; returns the facts for the screen.

    Raises:
        UserError: a name that is not registered, a budget that is missing, outside (0, 1] or not wanted, a model or
            budget that the compressor cannot take, an ``out`` that holds something else than an earlier result.
    """
    _check_name('--method', name, COMPRESSORS)
    if name in WITHOUT_BUDGET or request.ranks_file:
        if request.budget is not None:
            who = f'--method {name} keeps all' if name in WITHOUT_BUDGET else f'{request.ranks} gives every rank'
            raise UserError(f'--budget {request.budget}: {who}; leave it out')
    else:
        _check_name('--ranks', request.ranks, SELECTORS)
        _check_name('--budget-kind', request.budget_kind, BUDGETS)
        if request.budget is None:
            raise UserError(f'--budget: missing; --method {name} wants the share that is kept, 0.5 for 2x smaller')
        if not 0 < request.budget <= 1:
            raise UserError(f'--budget {request.budget}: the share that is kept; give more than 0 and at most 1')
    with staging(Path(out)) as folder:
        return COMPRESSORS[name](request, folder)


def _check_name(option: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise UserError(f'{option} {value}: no such name; one of {", ".join(sorted(known))}')
