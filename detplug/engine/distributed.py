"""Start of several training processes, on GPUs (nccl) or CPUs (gloo), and what keeps their models equal."""

import atexit
import gc
import os
import subprocess
from datetime import timedelta
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import broadcast, get_world_size
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from torch import distributed, nn

from detplug.engine.device import choose_device, use_device
from detplug.errors import UserError

PORT = '29500'


def start_group(launcher: str, timeout: float = 1800, device: torch.device | None = None) -> None:
    """Join the group of training processes; nothing for ``launcher='none'`` or when this process is in one.

    The group is left when the process ends: gloo's threads must not outlive the interpreter, else it may abort.

    Args:
        launcher: none, pytorch (torchrun) or slurm (srun).
        timeout: seconds that one process waits for the others.
        device: what the processes run on, the CPU or an accelerator of the machine each; ``auto`` by default.

    Raises:
        UserError: unknown launcher, the launcher's environment is missing, fewer accelerators than processes, one
            accelerator for all of them, or one whose processes torch cannot connect.
    """
    if launcher == 'none' or distributed.is_initialized():
        return
    if launcher == 'slurm':
        _environment_of_slurm()
    elif launcher != 'pytorch':
        raise UserError(f'--launcher {launcher}: not known; one of none, pytorch, slurm')
    missing = [name for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR') if name not in os.environ]
    if missing:
        raise UserError(
            f'--launcher {launcher}: {", ".join(missing)} not set; start with '
            'torchrun --nproc-per-node N tools/train.py ... --launcher pytorch, or with srun'
        )
    os.environ.setdefault('MASTER_PORT', PORT)
    backend = _backend(choose_device() if device is None else device)
    distributed.init_process_group(backend, timeout=timedelta(seconds=timeout))
    atexit.register(leave_group)


def _backend(device: torch.device) -> str:
    """Name of torch's way between processes on devices of this type; this process takes the device of its own."""
    if device.index is not None:
        raise UserError(f'--device {device}: one device for all processes; write --device {device.type}: one for each')
    if device.type != 'cpu':
        use_device(choose_device(f'{device.type}:{os.environ["LOCAL_RANK"]}'))
    try:
        return distributed.get_default_backend_for_device(device)
    except ValueError:
        raise UserError(f'--device {device}: torch has no way to connect several of it; leave --launcher out') from None


def leave_group() -> None:
    """Leave the group of training processes and end its threads; nothing when this process is in none.

    A wrapped model that waits to be collected holds the group; its threads would outlive the interpreter and abort.
    """
    if distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()
        gc.collect()


def _environment_of_slurm() -> None:
    """Set torch's variables from those of srun."""
    try:
        env = dict(
            RANK=os.environ['SLURM_PROCID'],
            WORLD_SIZE=os.environ['SLURM_NTASKS'],
            LOCAL_RANK=os.environ.get('SLURM_LOCALID', '0'),
        )
        nodes = os.environ['SLURM_NODELIST']
    except KeyError as error:
        raise UserError(f'--launcher slurm: {error.args[0]} not set; start with srun') from None
    if 'MASTER_ADDR' not in os.environ:
        names = subprocess.run(['scontrol', 'show', 'hostname', nodes], capture_output=True, text=True, check=True)
        env['MASTER_ADDR'] = names.stdout.split()[0]
    os.environ.update(env)


def wrap(model: nn.Module, **options: Any) -> MMDistributedDataParallel:
    """``model``, which is on the CPU, with gradients averaged over the processes; torch wants ``device_ids=None``."""
    return MMDistributedDataParallel(module=model, device_ids=None, broadcast_buffers=False, **options)


def gather_objects(item: Any) -> list[Any]:
    """``item`` of every process, by rank."""
    if get_world_size() == 1:
        return [item]
    items = [None] * get_world_size()
    distributed.all_gather_object(items, item)
    return items


def from_first(item: Any) -> Any:
    """The first process's ``item``, in every process."""
    if get_world_size() == 1:
        return item
    items = [item]
    distributed.broadcast_object_list(items, src=0)
    return items[0]


@HOOKS.register_module()
class EqualBuffersHook(Hook):
    """Before an evaluation, gives every process the buffers (batch-norm statistics) of the first.

    Gradients keep the parameters equal, buffers drift apart; the checkpoint holds the first process's. Runs after
    EMAHook has swapped its average in.
    """

    priority = 'BELOW_NORMAL'

    def before_val_epoch(self, runner) -> None:
        if get_world_size() > 1:
            for buffer in runner.model.buffers():
                broadcast(buffer)

    before_test_epoch = before_val_epoch
