"""Which poolings the integer network has."""

from collections.abc import Sequence

LARGEST = 15  # pixels of a window's side: the accelerator counts in 4 bits
CURE = 'take an odd kernel with stride 1 that keeps the size, or stride 2'


def pool_problem(
    kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], ceil_mode: bool
) -> str:
    """Why a pooling of largest values has no form in integers; '' where it has one.

    Stride 1 with an odd kernel and half of it as padding keeps the size of the map; stride 2 halves it, with any kernel
    and at most half of it as padding.

    Args:
        kernel, stride, padding, dilation: of the rows, the columns, and what other sides have a padding.
    """
    (side, *sides), (step, *steps), (edge, *edges) = kernel, stride, padding
    even = all({*others} <= {one} for one, others in ((side, sides), (step, steps), (edge, edges)))
    same = step == 1 and side % 2 == 1 and edge == side // 2
    if even and {*dilation} == {1} and not ceil_mode and side <= LARGEST and (same or (step == 2 and 2 * edge <= side)):
        return ''
    more = f', dilation {tuple(dilation)}' * ({*dilation} != {1}) + ', ceil_mode' * bool(ceil_mode)
    return f'a pooling of {tuple(kernel)}, stride {tuple(stride)}, padding {tuple(padding)}{more}'
