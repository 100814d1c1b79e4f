"""Read the data of an official YOLOv5 .pt file, a zip with a pickle of whole modules, without running any of it.

The pickle may name only what is in ``REAL`` below; classes of the packages in ``STUBS`` become empty stand-ins that
keep their attributes; any other name refuses the file. Tensors are rebuilt here, from the raw bytes in the zip.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detplug.errors import UserError

STORAGES = dict(
    DoubleStorage=torch.float64,
    FloatStorage=torch.float32,
    HalfStorage=torch.float16,
    BFloat16Storage=torch.bfloat16,
    LongStorage=torch.int64,
    IntStorage=torch.int32,
    ShortStorage=torch.int16,
    CharStorage=torch.int8,
    ByteStorage=torch.uint8,
    BoolStorage=torch.bool,
)
DTYPES = {
    name: getattr(torch, name)
    for name in ('float16', 'bfloat16', 'float32', 'float64', 'uint8', 'int8', 'int16', 'int32', 'int64', 'bool')
}
STUBS = (
    'models',
    'utils',
    'torch.nn.modules',
    'torch.optim',
    'torch.cuda.amp',
    'numpy',
    '_codecs',
    'pathlib',
    'datetime',
    'argparse',
)

PUTS = ('PUT', 'BINPUT', 'LONG_BINPUT')  # opcodes that say under which number an object is remembered


class Stub:
    """Stands for an object of a class that is not imported; its attributes are those of the pickle."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        if isinstance(state, dict):
            self.__dict__.update(state)


def read_official(path: str | Path) -> Any:
    """The object in a .pt file: dicts, lists, numbers, texts, tensors and :class:`Stub` objects.

    Raises:
        UserError: no such file, not such a file, a damaged one, or one that names anything but tensors and modules.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'{path}: file not found; check the path')
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith('data.pkl')]
            if len(pickles) != 1:
                raise UserError(f'{path}: not a PyTorch file (no data.pkl in the zip); give the official .pt file')
            return _Reader(archive, pickles[0], path).load()
    except UserError:
        raise
    except zipfile.BadZipFile:
        raise UserError(f'{path}: not a PyTorch zip file or cut off; download it again') from None
    except Exception as error:  # whatever bytes are in the file
        raise UserError(f'{path}: damaged ({type(error).__name__}); download it again') from None


def check_memo(content: bytes, path: str | Path) -> None:
    """Refuse a pickle that numbers its remembered objects beyond their count: Python would reserve memory for all.

    Raises:
        UserError: such a number.
        ValueError: not a pickle.
    """
    numbers = [argument for code, argument, _ in pickletools.genops(content) if code.name in PUTS]
    if max(numbers, default=0) > len(content):
        raise UserError(f'{path}: damaged (object number {max(numbers)}); download it again')


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, name: str, path: Path):
        content = archive.read(name)
        check_memo(content, path)
        super().__init__(io.BytesIO(content), encoding='utf-8')
        self.archive, self.folder, self.path = archive, name.removesuffix('data.pkl'), path
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == 'torch' and name in STORAGES:
            return STORAGES[name]
        if module == 'torch' and name in DTYPES:
            return DTYPES[name]
        real = {
            ('collections', 'OrderedDict'): OrderedDict,
            ('builtins', 'set'): set,
            ('__builtin__', 'set'): set,
            ('torch', 'Size'): tuple,
            ('torch._utils', '_rebuild_tensor_v2'): self._rebuild_tensor,
            ('torch._utils', '_rebuild_parameter'): self._rebuild_parameter,
        }.get((module, name))
        if real is not None:
            return real
        if '.' not in name and any(module == stub or module.startswith(stub + '.') for stub in STUBS):
            return type(name, (Stub,), {})
        raise UserError(
            f'{self.path}: names {module}.{name}, which is neither a tensor nor a module of YOLOv5; '
            'nothing was run; do not trust this file'
        )

    def persistent_load(self, key: Any) -> Tensor:
        kind, dtype, name, _, count = key
        if kind != 'storage' or not isinstance(dtype, torch.dtype):
            raise UserError(f'{self.path}: tensor data: unknown kind {kind!r}; download it again')
        if name not in self.storages:
            data = bytearray(self.archive.read(f'{self.folder}data/{name}'))
            self.storages[name] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        if len(self.storages[name]) != count:
            raise UserError(f'{self.path}: tensor data {name}: cut off; download it again')
        return self.storages[name]

    def _rebuild_tensor(self, storage: Tensor, offset: int, size: tuple, stride: tuple, *unused: Any) -> Tensor:
        if math.prod(size) > len(storage):
            raise UserError(f'{self.path}: a tensor is larger than its data; download it again')
        return storage.as_strided(size, stride, offset).clone()  # torch refuses what lies outside the storage

    def _rebuild_parameter(self, data: Tensor, *unused: Any) -> Tensor:
        return data
