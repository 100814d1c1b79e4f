"""Small files laid out as scanners write them."""

import struct
from pathlib import Path

import cv2
import numpy as np
import tifffile


def write_svs(path: Path, pixels: np.ndarray, um: float) -> Path:
    """Aperio's layout: tiles in JPEG, a thumbnail in strips, a smaller level; ``pixels`` (H, W, 3) uint8 RGB."""
    height, width = pixels.shape[:2]
    said = f'Aperio Image Library v11.2.1 \r\n{width}x{height} [0,0 {width}x{height}] (128x128) JPEG/RGB Q=70'
    options = dict(photometric='rgb', compression='jpeg', compressionargs=dict(level=95), metadata=None)
    small = np.ascontiguousarray(pixels[::4, ::4])
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, tile=(128, 128), description=f'{said}|AppMag = 20|MPP = {um}', **options)
        file.write(small, rowsperstrip=16, description=f'{said} -> {width // 4}x{height // 4} - |MPP = {um}', **options)
        file.write(small, tile=(128, 128), description=f'{said} -> {width // 4}x{height // 4} JPEG/RGB Q=70', **options)
    return path


def write_ndpi(path: Path, pixels: np.ndarray, um: float) -> Path:
    """Hamamatsu's layout: offsets of 64 bit in a classic TIFF, a JPEG strip a level; ``pixels`` (H, W, 3) uint8 RGB."""
    data, link = bytearray(struct.pack('<2sHQ', b'II', 42, 0)), 4

    def put(raw: bytes) -> int:
        data.extend(raw)
        return len(data) - len(raw)

    for factor in (1, 2):
        level = np.ascontiguousarray(pixels[::factor, ::factor, ::-1])
        jpeg = cv2.imencode('.jpg', level, [cv2.IMWRITE_JPEG_QUALITY, 97])[1].tobytes()
        strip, make, bits = put(jpeg), put(b'Hamamatsu\0'), put(struct.pack('<3H', 8, 8, 8))
        per_cm = put(struct.pack('<II', round(1e4 / um / factor), 1))
        magnification = struct.unpack('<I', struct.pack('<f', 20 / factor))[0]
        height, width = level.shape[:2]
        tags = [  # tag, type, count, value or where it is
            (254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 3, 1, 7), (262, 3, 1, 6),
            (271, 2, 10, make), (273, 4, 1, strip), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(jpeg)),
            (282, 5, 1, per_cm), (283, 5, 1, per_cm), (296, 3, 1, 3), (65420, 4, 1, 1), (65421, 11, 1, magnification),
        ]  # fmt: skip
        data.extend(bytes(len(data) % 2))
        struct.pack_into('<Q', data, link, len(data))
        data.extend(struct.pack('<H', len(tags)) + b''.join(struct.pack('<HHII', *tag) for tag in tags))
        link = len(data)
        data.extend(struct.pack('<Q', 0) + bytes(4 * len(tags)))  # the next directory, upper halves of the values
    path.write_bytes(data)
    return path
