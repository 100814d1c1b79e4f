"""What onnxruntime computes with: ``--device auto|cpu|cuda|cuda:1``. Needs no torch."""

import re

import onnxruntime

from detplug.errors import UserError

CPU, CUDA = 'CPUExecutionProvider', 'CUDAExecutionProvider'
Provider = tuple[str, dict[str, str]]


def providers_of(device: str) -> list[Provider]:
    """Execution providers with their options, the best first; the CPU takes what the others cannot.

    ``auto`` is CUDA where this onnxruntime has it. CUDA computes in whole float32 (no TF32), as the bundle was checked.

    Raises:
        UserError: an unknown device, or CUDA in an onnxruntime without it.
    """
    match = re.fullmatch(r'auto|cpu|cuda(?::(\d+))?', str(device))
    if match is None:
        raise UserError(f'--device {device}: a bundle runs on auto, cpu, cuda or cuda:1, ...; give one of them')
    there = onnxruntime.get_available_providers()
    if device == 'cpu' or (device == 'auto' and CUDA not in there):
        return [(CPU, {})]
    if CUDA not in there:
        raise UserError(
            f'--device {device}: onnxruntime {onnxruntime.__version__} is built without CUDA; '
            'pip uninstall onnxruntime, pip install onnxruntime-gpu; or give --device cpu'
        )
    return [(CUDA, {'device_id': match[1] or '0', 'use_tf32': '0'}), (CPU, {})]


def check_started(session: onnxruntime.InferenceSession, device: str) -> str:
    """The provider that ``session`` really uses first: onnxruntime goes on without one whose libraries do not load.

    Raises:
        UserError: it is the CPU, and ``device`` names another.
    """
    used = session.get_providers()[0]
    if used == CPU and device not in ('auto', 'cpu'):
        raise UserError(
            f'--device {device}: CUDA does not start, onnxruntime says above why (driver, CUDA or cuDNN libraries); '
            'install them, or give --device cpu'
        )
    return used
