"""Memory of the pretend accelerator: host memory behind tensors that torch itself takes for tensors of a device.

DLPack carries a pointer and a device into torch; kDLExtDev is torch's PrivateUse1. So these are ordinary tensors, no
subclass: views share storage, ``.data`` can be set, autograd and ``.numpy()`` treat them as they treat a GPU's.
"""

import ctypes

import torch
from torch import Tensor

EXTENSION_DEVICE = 12  # kDLExtDev of dlpack.h
KINDS = {'int': 0, 'uint': 1, 'float': 2, 'bfloat': 4, 'complex': 5, 'bool': 6}  # DLDataTypeCode
META_KERNELS = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)  # of views: they touch sizes and strides alone


class _Tensor(ctypes.Structure):
    """DLTensor."""

    _fields_ = [
        ('data', ctypes.c_void_p),
        ('device_type', ctypes.c_int32),
        ('device_id', ctypes.c_int32),
        ('ndim', ctypes.c_int32),
        ('code', ctypes.c_uint8),
        ('bits', ctypes.c_uint8),
        ('lanes', ctypes.c_uint16),
        ('shape', ctypes.POINTER(ctypes.c_int64)),
        ('strides', ctypes.POINTER(ctypes.c_int64)),
        ('byte_offset', ctypes.c_uint64),
    ]


class _Managed(ctypes.Structure):
    """DLManagedTensor."""

    _fields_ = [('tensor', _Tensor), ('context', ctypes.c_void_p), ('deleter', ctypes.c_void_p)]


HEAD = 256  # bytes before the data: the struct, its shape and strides
_libc = ctypes.CDLL(None)
_libc.aligned_alloc.restype, _libc.aligned_alloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t, ctypes.c_size_t]
_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype, _capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def allocate(count: int, dtype: torch.dtype) -> Tensor:
    """(count,) tensor of the device, not initialised. Struct and data are one block: ``free`` deletes it."""
    name = str(dtype).removeprefix('torch.').rstrip('0123456789')
    size = dtype.itemsize
    address = _libc.aligned_alloc(64, HEAD + (max(count * size, 1) + 63) // 64 * 64)
    shape = (ctypes.c_int64 * 2).from_address(address + ctypes.sizeof(_Managed))
    shape[:] = count, 1
    extents = [ctypes.cast(ctypes.addressof(shape) + 8 * i, ctypes.POINTER(ctypes.c_int64)) for i in (0, 1)]
    tensor = _Tensor(address + HEAD, EXTENSION_DEVICE, 0, 1, KINDS[name], 8 * size, 1, *extents, 0)
    _Managed.from_address(address).__init__(tensor, None, ctypes.cast(_libc.free, ctypes.c_void_p))
    return torch.utils.dlpack.from_dlpack(_capsule(address, b'dltensor', None))


def to_pretend(host: Tensor) -> Tensor:
    """A copy on the device, with the same strides."""
    storage = host.untyped_storage()
    whole = allocate(storage.nbytes() // host.element_size(), host.dtype)
    ctypes.memmove(whole.untyped_storage().data_ptr(), storage.data_ptr(), storage.nbytes())
    return strided(whole, host.size(), host.stride(), host.storage_offset())


def strided(tensor: Tensor, size, stride, offset: int) -> Tensor:
    """A view of a tensor of the device, in its storage."""
    return torch.ops.aten.as_strided.default.redispatch(META_KERNELS, tensor, list(size), list(stride), offset)


def to_host(tensor: Tensor) -> Tensor:
    """The same memory as a CPU tensor that cannot grow; for the time of one operator."""
    storage = tensor.untyped_storage()
    alias = torch._C._construct_storage_from_data_pointer(storage.data_ptr(), torch.device('cpu'), storage.nbytes())
    empty = torch.empty(0, dtype=tensor.dtype)
    return empty.set_(alias, tensor.storage_offset(), tensor.size(), tensor.stride())
