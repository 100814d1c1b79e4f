"""The registry of compressors: ``tools/compress.py`` calls them, plugins fill it.

A plugin's module registers a function::

    @register_compressor('tensor_train', options=add_options)
    def compress(request: CompressRequest, folder: Path) -> dict:
        ...  # write config.py, compressed.pth and ranks.csv into ``folder``; return flat facts for the screen
"""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from detplug.compression.costs import cost_model
from detplug.errors import UserError
from detplug.export.bundle import staging
from detplug.named_parts import NamedParts


@dataclass(frozen=True)
class CompressRequest:
    """What a compressor works from.

    Attributes:
        model: detector in eval mode with its weights.
        cfg: the whole config; its data sets give images for calibration.
        checkpoint: file of the weights.
        budget: what is kept, 0 to 1, of what ``budget_kind`` counts: 0.5 makes the model 2x smaller; several kinds at
            once as a dict kind -> share; None where the compressor takes none.
        budget_kind: a kind of ``costs.COST_MODELS``.
        img_size: side of the square input, pixels, at which MACs and times are counted.
        settings: values of the compressor's own options by name, those that were given.
    """

    model: nn.Module
    cfg: Config
    checkpoint: Path
    budget: float | Mapping[str, float] | None
    budget_kind: str = 'params'
    img_size: int = 640
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """Kind -> share that is kept; empty without a budget."""
        if self.budget is None:
            return {}
        return dict(self.budget) if isinstance(self.budget, Mapping) else {self.budget_kind: self.budget}

    @property
    def budget_words(self) -> str:
        """The budget as a person reads it, ``0.25 of params and 0.5 of macs``."""
        return ' and '.join(f'{share:g} of {kind}' for kind, share in self.shares.items())


Compressor = Callable[[CompressRequest, Path], dict[str, float | str]]
COMPRESSORS: NamedParts[Compressor] = NamedParts('--method ', 'compressor')
AddOptions = Callable[[ArgumentParser], None]
OPTIONS: dict[str, AddOptions] = {}  # compressor -> what adds its own options to the command line
WhyNoBudget = Callable[[Mapping[str, Any]], str]
WITHOUT_BUDGET: dict[str, WhyNoBudget] = {}


def register_compressor(
    name: str, options: AddOptions | None = None, without_budget: WhyNoBudget | None = None
) -> Callable[[Compressor], Compressor]:
    """Decorator that adds a compressor under ``name``.

    Args:
        without_budget: the settings that were given -> why it takes no budget with them; '' where it needs one, as it
            always does by default.
        options: adds the compressor's own options to the parser of ``compress --method NAME``; without defaults, so
            that the request's settings hold what was given.

    Raises:
        KeyError: the name is taken by another function.
    """
    if without_budget is not None:
        WITHOUT_BUDGET[name] = without_budget
    if options is not None:
        OPTIONS[name] = options
    return COMPRESSORS.adder(name)


def compress(name: str, request: CompressRequest, out: str | Path) -> dict[str, float | str]:
    """Compress into folder ``out``, which appears when all of it is written; returns the facts for the screen.

    Raises:
        UserError: a name that is not registered, a budget that is missing, outside (0, 1] or not wanted, a model or
            budget that the compressor cannot take, an ``out`` that holds something else than an earlier result.
    """
    compressor = COMPRESSORS.find(name)
    why = WITHOUT_BUDGET[name](request.settings) if name in WITHOUT_BUDGET else ''
    if why:
        if request.budget is not None:
            raise UserError(f'--budget {request.budget}: {why}; leave it out')
    else:
        if not request.shares:
            raise UserError(f'--budget: missing; --method {name} wants the share that is kept, 0.5 for 2x smaller')
        for kind, share in request.shares.items():
            cost_model(kind)
            if not 0 < share <= 1:
                raise UserError(f'--budget {share}: the share that is kept; give more than 0 and at most 1')
    with staging(Path(out)) as folder:
        return compressor(request, folder)
