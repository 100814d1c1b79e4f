"""Which device a command runs on: ``--device auto|cpu|cuda|cuda:1`` or the name of another accelerator."""

import torch
from mmengine.device import utils as mmengine_device

from detplug.errors import UserError

AUTO = 'auto'
HELP = 'auto, cpu, cuda, cuda:1, ...; auto is the first accelerator there is, else the CPU'
_FIRST = mmengine_device.get_device()  # what mmengine finds by itself


def devices() -> dict[str, int]:
    """Device types that torch can use on this machine -> how many there are; an accelerator of another vendor too."""
    counts = {'cpu': 1}
    for name in ('cuda', 'xpu', 'mps', torch._C._get_privateuse1_backend_name()):
        module = getattr(torch, name, None)
        if module is not None and module.is_available():
            counts[name] = module.device_count()
    return counts


def choose_device(text: str = AUTO) -> torch.device:
    """The device that ``text`` names: ``auto``, a type (its current device) or ``type:index``.

    Raises:
        UserError: an unknown device, one that torch was built without or does not see, an index that does not exist.
    """
    if text == AUTO:
        return torch.device(_FIRST)
    there = devices()
    kind, colon, index = str(text).partition(':')
    if kind in there and (not colon or index.isdecimal() and int(index) < there[kind]):
        return torch.device(text)
    names = ', '.join(f'{kind}:{i}' if kind != 'cpu' else kind for kind, count in there.items() for i in range(count))
    raise UserError(f'--device {text}: {_reason(kind, there)}; there is {names}')


def _reason(kind: str, there: dict[str, int]) -> str:
    if kind in there:
        return f'there is no such {kind} device'
    if kind != 'cuda':
        return f'torch {torch.__version__} knows no such device on this machine'
    if not torch.backends.cuda.is_built():
        return f'torch {torch.__version__} is built without CUDA; install a CUDA build of it'
    return 'torch sees no GPU; `nvidia-smi` says whether the driver does'


def use_device(device: torch.device) -> None:
    """Make ``device`` what mmengine's own code takes (Runner, autocast) and torch's current one of its type.

    mmengine has no setting for this: it finds a device when it is imported, and every part of it asks ``get_device``.
    """
    mmengine_device.DEVICE = device.type
    if device.index is not None and devices()[device.type] > 1:
        torch.get_device_module(device).set_device(device.index)
