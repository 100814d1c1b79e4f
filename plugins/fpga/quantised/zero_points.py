"""Zero points of maps that are added: the sum of two maps has the sum of their zero points, so nothing is subtracted.

Maps of activations that are hardly negative have no sign but a zero point. Where such maps are added, the zero point of
each is a multiple of the smallest one that holds the activations' least value. Ours.
"""

from collections.abc import Mapping

from .shared import Shared

Sums = Mapping[str, tuple[str, str]]


def zero_multiples(sums: Sums, same: Shared) -> dict[str, int] | None:
    """Name of a set of maps that have one format -> its multiple; 1 for those that are not in it.

    Args:
        sums: name of each sum in order of execution -> the maps that are added.
        same: which maps have one format.

    Returns:
        None where no multiples fit, as for a sum that is concatenated with what it was made of.
    """
    found: dict[str, int] = {}
    made = {same.of(name) for name in sums}
    for _ in range(len(sums) + 1):
        before = dict(found)
        for name, sources in sums.items():
            total, (one, other) = same.of(name), map(same.of, sources)
            needed = found.get(one, 1) + found.get(other, 1)
            missing = found.get(total, 1) - needed
            if missing <= 0:
                found[total] = needed
            else:
                raised = one if other in made else other
                found[raised] = found.get(raised, 1) + missing
        if found == before:
            return found
    return None
