"""What a reviewer decides, and what becomes of the boxes: pure state, no file, no web.

An object is a box of the detector (``b12-3``: picture 12, box 3), a box that somebody drew (``n...``) or a whole
picture (``f12``: nothing is missing in it). Its state is a dict: status, name, bbox (x, y, width, height; px). None is
no object: a box before it is drawn.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

State = dict[str, Any] | None

OPEN, ACCEPTED, RENAMED, UNKNOWN, REJECTED, DRAWN, COMPLETE = (
    'open', 'accepted', 'renamed', 'unknown', 'rejected', 'drawn', 'complete',
)  # fmt: skip
ACTIONS = ('accept', 'rename', 'unknown', 'reject', 'reopen', 'draw', 'complete', 'undo')
LEAST_SIDE = 1.0  # px, of a box that is drawn
IDENTIFIER = re.compile(r'[A-Za-z0-9_-]{1,64}')


class WrongDecision(ValueError):
    """A request that no page of ours sends; the text says what is wrong with it."""


class Conflict(ValueError):
    """Somebody else has decided on the object since the page was told of it."""


def decided(action: str, before: State, detected: State, request: Mapping[str, Any], names: Mapping[str, int],
            size: tuple[int, int]) -> State:  # fmt: skip
    """The state after ``action``, which is not undo.

    Args:
        before: now. detected: as the detector has it; None of what is drawn.
        request: ``name`` of rename and draw, ``bbox`` of draw.
        names: those that a box may have.
        size: (width, height) px of the picture.

    Raises:
        WrongDecision: an action that this object cannot have, an unknown name, a box outside of the picture.
    """
    if action == 'draw':
        if before is not None:
            raise WrongDecision('draw: this box is there already')
        return dict(status=DRAWN, name=_name(request, names), bbox=inside(request.get('bbox'), size))
    if before is None:
        raise WrongDecision(f'{action}: no such box')
    if action == 'reopen':
        return detected
    if (action == 'complete') != ('bbox' not in before):
        raise WrongDecision(f'{action}: not of this kind of object')
    if action == 'complete':
        return dict(status=COMPLETE)
    if detected is None and action == 'accept':
        return before
    if action == 'accept':
        return detected | dict(status=ACCEPTED)
    if action == 'reject':
        return None if detected is None else detected | dict(status=REJECTED)
    if action == 'unknown':
        return before | dict(status=UNKNOWN, name='unknown')
    name = _name(request, names)
    status = DRAWN if detected is None else ACCEPTED if name == detected['name'] else RENAMED
    return before | dict(status=status, name=name)


def inside(bbox: Any, size: tuple[int, int]) -> list[float]:
    """x, y, width, height of a box, cut at the edges of the picture, .01 px.

    Raises:
        WrongDecision: not four finite numbers, or less than a pixel of it is inside.
    """
    numbers = isinstance(bbox, list) and len(bbox) == 4 and all(type(x) in (int, float) for x in bbox)
    if not numbers or not all(math.isfinite(x) for x in bbox):
        raise WrongDecision('bbox: not 4 finite numbers x, y, width, height in pixels')
    low = [min(max(bbox[i], 0.0), size[i]) for i in (0, 1)]
    high = [min(max(bbox[i] + bbox[i + 2], 0.0), size[i]) for i in (0, 1)]
    sides = [high[i] - low[i] for i in (0, 1)]
    if min(sides) < LEAST_SIDE:
        raise WrongDecision('bbox: less than a pixel of it is inside of the picture')
    return [round(x, 2) for x in (*low, *sides)]


def check_request(request: Any) -> dict[str, Any]:
    """The request as a dict whose run, id, tab, object and action are what they must be.

    Raises:
        WrongDecision: they are not.
    """
    if not isinstance(request, dict):
        raise WrongDecision('a decision is an object')
    for key in ('run', 'id', 'tab', 'object'):
        if not isinstance(request.get(key), str) or not IDENTIFIER.fullmatch(request[key]):
            raise WrongDecision(f'{key}: missing, or not letters and digits')
    if request.get('action') not in ACTIONS:
        raise WrongDecision(f'action: one of {", ".join(ACTIONS)}')
    if type(request.get('revision')) is not int:
        raise WrongDecision('revision: not a whole number')
    return request


def _name(request: Mapping[str, Any], names: Mapping[str, int]) -> str:
    name = request.get('name')
    if not isinstance(name, str) or name not in names:
        raise WrongDecision('name: not one of the classes; start detplug review with --name NAME')
    return name
