"""Images that are cut, flipped bit by bit, turned, of other depths and channels: what the wild brings a reader."""

import io
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

FORMATS = {'jpg': 'JPEG', 'png': 'PNG', 'bmp': 'BMP', 'tif': 'TIFF', 'webp': 'WEBP', 'gif': 'GIF'}


def mutated(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of ``count`` files, equal parts of each kind of damage."""
    rng = np.random.default_rng(seed)
    kinds = (cut, flipped, wrong_header, trailer, deep, unusual, turned, animated, wide, swapped)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        suffix, content = kind(rng)
        yield f'{number:05d}_{kind.__name__}.{suffix}', content


def plain(rng: np.random.Generator, **options) -> tuple[str, bytes]:
    """A whole file of a drawn format."""
    suffix = str(rng.choice(list(FORMATS)))
    noise = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    size = tuple(int(x) for x in rng.integers(1, 200, 2))
    return suffix, encoded(Image.fromarray(cv2.resize(noise, size)), suffix, **options)


def encoded(image: Image.Image, suffix: str, **options) -> bytes:
    """The file of an image."""
    out = io.BytesIO()
    image.save(out, FORMATS[suffix], **options)
    return out.getvalue()


def cut(rng):
    """The first part of a file."""
    suffix, content = plain(rng)
    return suffix, content[: int(rng.integers(0, len(content)))]


def flipped(rng):
    """Some bits are others."""
    suffix, content = plain(rng)
    data = np.frombuffer(content, np.uint8).copy()
    for place in rng.integers(0, len(data), int(rng.integers(1, 20))):
        data[place] ^= 1 << int(rng.integers(8))
    return suffix, data.tobytes()


def wrong_header(rng):
    """The first bytes are others, or those of another format."""
    suffix, content = plain(rng)
    _, other = plain(rng)
    return suffix, other[: int(rng.integers(1, 30))] + content[int(rng.integers(1, 30)) :]


def trailer(rng):
    """Something follows the end."""
    suffix, content = plain(rng)
    return suffix, content + rng.bytes(int(rng.integers(1, 20_000)))


def deep(rng):
    """16 bit, of one or three channels."""
    pixels = rng.integers(0, 2 ** int(rng.integers(9, 17)), (20, 30, int(rng.choice([1, 3]))), dtype=np.uint16)
    suffix = str(rng.choice(['png', 'tif']))
    return suffix, cv2.imencode(f'.{suffix}', pixels)[1].tobytes()


def unusual(rng):
    """CMYK, one bit, a palette, transparency."""
    image = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    suffix, mode = [('jpg', 'CMYK'), ('png', '1'), ('png', 'P'), ('png', 'RGBA'), ('tif', 'CMYK'), ('tif', 'LA')][
        int(rng.integers(6))
    ]
    return suffix, encoded(image.convert(mode), suffix)


def turned(rng):
    """Any orientation, also such as EXIF does not have."""
    exif = Image.Exif()
    exif[0x112] = int(rng.integers(0, 12))
    suffix = str(rng.choice(['jpg', 'png', 'webp', 'tif']))
    image = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    return suffix, encoded(image, suffix, exif=exif)


def animated(rng):
    """Several pictures in a file."""
    suffix = str(rng.choice(['gif', 'webp', 'png', 'tif']))
    images = [Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for _ in range(3)]
    return suffix, encoded(images[0], suffix, save_all=True, append_images=images[1:])


def wide(rng):
    """40,000 px wide, no pixel at all, or a header that says so of a small file."""
    kind = int(rng.integers(3))
    if kind == 0:
        return 'png', encoded(Image.new('RGB', (40_000, int(rng.integers(1, 8)))), 'png')
    width, height = ((0, 0), (40_000, 40_000))[kind - 1]
    chunk = b'IHDR' + width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + bytes([8, 2, 0, 0, 0])
    whole = encoded(Image.new('RGB', (4, 4)), 'png')
    return 'png', whole[:12] + chunk + zlib.crc32(chunk).to_bytes(4, 'big') + whole[33:]


def swapped(rng):
    """A file under the suffix of another format."""
    _, content = plain(rng)
    return str(rng.choice(list(FORMATS))), content
