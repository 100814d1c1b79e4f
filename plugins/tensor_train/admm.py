"""ADMM-TT: train dense layers towards a Tensor-Train form, then decompose and fine-tune.

Yin et al., CVPR 2021 (arXiv 2107.12422): loss + rho / 2 ||W - Z + U||^2 with Z = TT-SVD_r(W + U), U += W - Z, both once
a round; rho .001, five times that in the last 15 % of the training. That the term enters as its gradient, when a
layer's own gradient arrives, is ours: no detector has to know of it.
"""

from collections.abc import Mapping

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from detplug.errors import UserError

from .decomposition import chain_from_kernel, kernel_from_chain
from .ranks_file import read_ranks

STATE = 'admm_tt'


@HOOKS.register_module()
class ADMMHook(Hook):
    """Pulls the kernels of a dense model to the ranks that a compression will give them.

    Z and U are in the checkpoint: a resumed training goes on as if it had not stopped. history.jsonl gets
    ``admm_distance``, ||W - Z|| over ||W|| of all layers.

    Args:
        ranks: file ranks.csv, or ``{name of a layer: ranks}``.
        rho: weight of the pull.
        late, late_factor: share of the training at whose end rho is ``late_factor`` times higher.
        interval: steps between two rounds.
    """

    def __init__(
        self,
        ranks: str | Mapping[str, tuple[int, ...]],
        rho: float = 1e-3,
        late: float = 0.15,
        late_factor: float = 5.0,
        interval: int = 50,
    ):
        given = read_ranks(ranks) if isinstance(ranks, str) else ranks
        self.ranks = {name: tuple(layer_ranks) for name, layer_ranks in given.items()}
        self.rho, self.late, self.late_factor, self.interval = rho, late, late_factor, interval
        self.now = rho
        self.loss_factor: Tensor | float = 1.0
        self.targets: dict[str, Tensor] = {}  # Z
        self.duals: dict[str, Tensor] = {}  # U
        self.weights: dict[str, nn.Parameter] = {}
        self.handles: list = []
        self.resumed = False

    def before_train(self, runner: Runner) -> None:
        """Find the layers and pull from the first step on."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        modules = dict(model.named_modules())
        for name in self.ranks:
            if not isinstance(modules.get(name), nn.Conv2d):
                raise UserError(f'config: ADMMHook: ranks: {name!r} is no convolution of the model; mend its name')
            self.weights[name] = modules[name].weight
        for name, weight in self.weights.items():
            if self.resumed:
                self.duals[name], self.targets[name] = (x[name].to(weight) for x in (self.duals, self.targets))
            else:
                self.duals[name] = torch.zeros_like(weight)
                self.targets[name] = nearest_chain(weight.detach(), self.ranks[name])
        self.handles = [self.weights[name].register_hook(self._pull(name)) for name in self.ranks]

    def _pull(self, name: str):
        weight = self.weights[name]

        def pulled(grad: Tensor) -> Tensor:
            pull = weight.detach() - self.targets[name] + self.duals[name]
            return grad + self.loss_factor * self.now * pull

        return pulled

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """rho of this step."""
        late = runner.iter >= (1 - self.late) * runner.max_iters
        self.now = self.rho * (self.late_factor if late else 1.0)
        self.loss_factor = loss_factor(runner.optim_wrapper)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """A round, where one is due: Z from W + U, then U. The distance goes into ``outputs``, as a loss does."""
        if (runner.iter + 1) % self.interval == 0:
            for name, weight in self.weights.items():
                value = weight.detach()
                self.targets[name] = nearest_chain(value + self.duals[name], self.ranks[name])
                self.duals[name] += value - self.targets[name]
        outputs['admm_distance'] = self.distance()

    def distance(self) -> float:
        """||W - Z|| over ||W|| of all layers together; 0 without layers."""
        away = sum(((w.detach() - self.targets[name]) ** 2).sum().item() for name, w in self.weights.items())
        whole = sum((w.detach() ** 2).sum().item() for w in self.weights.values())
        return (away / whole) ** 0.5 if whole else 0.0

    def after_train(self, runner: Runner) -> None:
        """Let the gradients be what they are."""
        for handle in self.handles:
            handle.remove()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint[STATE] = dict(targets=self.targets, duals=self.duals, ranks=self.ranks)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Z and U of the training that is resumed; those of weights that another training starts from are not taken.

        Raises:
            UserError: a resumed training had other ranks.
        """
        if not runner._resume or STATE not in checkpoint:
            return
        state = checkpoint[STATE]
        if state.get('ranks') != self.ranks:
            raise UserError(
                'config: ADMMHook: ranks: not those of the training that is resumed; resume with its ranks, '
                'or start from its weights with load_from'
            )
        self.targets, self.duals, self.resumed = dict(state['targets']), dict(state['duals']), True


def loss_factor(wrapper: OptimWrapper) -> Tensor | float:
    """What the optimizer wrapper multiplies a loss with: 1 / accumulated batches, and the scale of a loss scaler."""
    factor = wrapper.scale_loss(torch.ones(()))
    scaler = getattr(wrapper, 'loss_scaler', None)
    return factor if scaler is None else scaler.get_scale() * factor


def nearest_chain(weight: Tensor, ranks: tuple[int, ...]) -> Tensor:
    """(O, I, kh, kw) kernel of the TT-SVD of ``weight`` with ``ranks``."""
    return kernel_from_chain(chain_from_kernel(weight, ranks)).to(weight)
