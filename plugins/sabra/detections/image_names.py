"""Which image of a file of detections a picture is: by the end of its path, as far as both have one."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from detplug.errors import UserError


class ImageNames:
    """The images that a file names.

    Args:
        names: file names, with or without folders, slashes or backslashes.
        source: the file, for messages.
    """

    def __init__(self, names: Iterable[str], source: str):
        self.source = source
        self.by_base: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
        for name in names:
            parts = parts_of(name)
            self.by_base[parts[-1] if parts else ''].append((parts, name))
        self.by_base = dict(self.by_base)
        self.stems = {PurePosixPath(base).stem: base for base in self.by_base}

    def find(self, path: str) -> str | None:
        """The name whose end is most of ``path``, None where no name ends with its file.

        Raises:
            UserError: two names fit equally, or the file names the picture with another ending.
        """
        parts = parts_of(path)
        candidates = self.by_base.get(parts[-1], [])
        if not candidates:
            other = self.stems.get(PurePosixPath(parts[-1]).stem)
            if other is not None:
                raise UserError(f'{self.source}: file_name: {other}, but the picture is {parts[-1]}; name it as it is')
            return None
        common = [shared_end(parts, candidate) for candidate, _ in candidates]
        if common.count(max(common)) > 1:
            names = ' and '.join(name for (_, name), n in zip(candidates, common, strict=True) if n == max(common))
            raise UserError(f'{self.source}: file_name: {names} may both be {path}; give their folders')
        return candidates[common.index(max(common))][1]


def parts_of(name: str) -> tuple[str, ...]:
    """Folders and file of a path."""
    return tuple(part for part in str(name).replace('\\', '/').split('/') if part not in ('', '.'))


def shared_end(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """How many parts two paths share, counted from their ends."""
    number = 0
    for a, b in zip(reversed(first), reversed(second), strict=False):
        if a != b:
            break
        number += 1
    return number
