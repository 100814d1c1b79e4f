"""Names that share something, joined pair by pair."""

from collections.abc import Iterable


class Shared:
    """Disjoint sets of names; a name that was never joined is alone."""

    def __init__(self):
        self._parent: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The name that stands for the set of ``name``; the earliest joined."""
        while name in self._parent:
            name = self._parent[name]
        return name

    def join(self, names: Iterable[str]) -> str:
        """Make one set of the sets of all ``names``, at least one; its name."""
        first, *others = map(self.of, names)
        for other in others:
            if self.of(other) != first:
                self._parent[self.of(other)] = first
        return first
