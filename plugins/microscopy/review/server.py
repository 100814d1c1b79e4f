"""The pages and answers of a review. Numbers, never names, are in addresses; every name is sent as json."""

import json
import threading
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from detplug.errors import UserError
from plugins.microscopy.review.corrected import CORRECTED, write_corrected
from plugins.microscopy.review.crops import Crops
from plugins.microscopy.review.decisions import Conflict, WrongDecision
from plugins.microscopy.review.guard import Guard
from plugins.microscopy.review.review import Review, for_pages

PAGE = Path(__file__).parent / 'page'
FILES = ('review.css', 'review.js', 'decisions.js', 'gallery.js', 'field.js', 'names.js', 'review.svg')
MOST_BYTES = 2**16  # of a decision
QUIET = 1.0  # seconds after the last decision until corrected.json is written
JPEG = {'cache-control': 'private, max-age=86400'}


class CorrectedWriter:
    """Writes corrected.json a second after the last decision, in a thread of its own.

    Attributes:
        error: why the last try failed, '' where it did not.
    """

    def __init__(self, review: Review, folder: Path, quiet: float = QUIET) -> None:
        self.review, self.folder, self.quiet, self.error = review, folder, quiet, ''
        self._timer: threading.Timer | None = None
        self._lock, self._writing = threading.Lock(), threading.Lock()

    def soon(self) -> None:
        """After ``quiet`` seconds without another call."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self.quiet, self.now)
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """Write nothing any more that :meth:`soon` asked for."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def now(self) -> dict[str, Any] | None:
        """What it holds; None where it could not be written."""
        with self._writing:
            try:
                counts, self.error = write_corrected(self.review, self.folder), ''
                return counts
            except (OSError, UserError) as error:
                self.error = f'{CORRECTED} not written: {error}'
                return None


def make_app(review: Review, crops: Crops, writer: CorrectedWriter, shown: int, token: str, port: int) -> Starlette:
    """The application.

    Args:
        shown: how many boxes the gallery has, the first in order.
    """
    answers = Answers(review, crops, writer, shown)
    routes = [
        Route('/', lambda request: FileResponse(PAGE / 'index.html')),
        *(Route(f'/{name}', _file(PAGE / name)) for name in FILES),
        Route('/run', answers.run),
        Route('/changes', answers.changes),
        Route('/decide', answers.decide, methods=['POST']),
        Route('/write', answers.write, methods=['POST']),
        Route('/crop-{row:int}', answers.crop),
        Route('/field-{number:int}', answers.field),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token, port=port)])


def answer(content: Any, status: int = 200) -> Response:
    """As json in ASCII, whatever a name holds."""
    return Response(json.dumps(content), status, media_type='application/json')


def _file(path: Path) -> Callable[[Request], Response]:
    return lambda request: FileResponse(path)


class Answers:
    """What each address answers; all but ``decide`` run in a thread."""

    def __init__(self, review: Review, crops: Crops, writer: CorrectedWriter, shown: int) -> None:
        self.review, self.crops, self.writer, self.shown = review, crops, writer, shown

    def run(self, request: Request) -> Response:
        """All that the page begins with; a box: picture, number, name, score, value, x, y, width, height, frame."""
        results, boxes = self.review.results, self.review.results.boxes
        names = list(self.review.names)
        label = {name: i for i, name in enumerate(names)}
        values = [round(value, 4) if isfinite(value) else None for value in boxes.value.tolist()]
        rows = [
            [int(boxes.picture[i]), int(boxes.box[i]), label[boxes.name[i]], round(float(boxes.score[i]), 3), values[i],
             *boxes.xywh[i].tolist(), *self.crops.frame(i)]
            for i in range(self.shown)
        ]  # fmt: skip
        pictures = [[number, picture.item.name, *picture.size] for number, picture in results.pictures.items()]
        order = results.order.queue
        content = dict(run=results.identity, folder=str(results.out), who=self.review.who, names=names)
        content |= dict(order=order.name, value=order.column, total=len(boxes), failed=results.failed)
        content |= dict(boxes=rows, pictures=pictures, changes=self.review.since(0), seq=len(self.review.log.records))
        return answer(content)

    def changes(self, request: Request) -> Response:
        """Decisions after ``?since=``, of all tabs."""
        since = _numbers(request, 'since')
        if since is None:
            return answer(dict(error='since: not a whole number'), 422)
        changes = self.review.since(since[0])
        seq = max([since[0], *(change['seq'] for change in changes)])
        return answer(dict(run=self.review.results.identity, changes=changes, seq=seq, error=self.writer.error))

    async def decide(self, request: Request) -> Response:
        """Make a decision; 409 with the state of the object where another came before."""
        if request.headers.get('content-type') != 'application/json':
            return answer(dict(error='a decision is json'), 415)
        body = b''
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return answer(dict(error='too long'), 413)
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            return answer(dict(error='not json'), 422)
        return await run_in_threadpool(self._decided, asked)

    def _decided(self, asked: Any) -> Response:
        try:
            record = self.review.decide(asked)
        except WrongDecision as error:
            return answer(dict(error=str(error)), 422)
        except Conflict as error:
            key = asked['object']
            now = dict(object=key, after=self.review.state(key), seq=self.review.revision.get(key, 0))
            return answer(dict(error=str(error), now=now), 409)
        except OSError as error:
            return answer(dict(error=f'not saved: {error.strerror or error}; check the disk'), 507)
        self.writer.soon()
        return answer(for_pages(record))

    def write(self, request: Request) -> Response:
        """Write corrected.json now."""
        counts = self.writer.now()
        return answer(counts or dict(error=self.writer.error), 200 if counts else 507)

    def crop(self, request: Request) -> Response:
        """JPEG of a box of the gallery."""
        row = request.path_params['row']
        if row >= len(self.review.results.boxes):
            return answer(dict(error='no such box'), 404)
        return _picture(lambda: self.crops.crop(row))

    def field(self, request: Request) -> Response:
        """JPEG of a region ``?x=&y=&width=&height=`` of a picture."""
        number, region = request.path_params['number'], _numbers(request, 'x', 'y', 'width', 'height')
        if number not in self.review.results.pictures or region is None:
            return answer(dict(error='no such picture or region'), 404)
        return _picture(lambda: self.crops.field(number, region))


def _picture(cut: Callable[[], bytes]) -> Response:
    try:
        return Response(cut(), media_type='image/jpeg', headers=JPEG)
    except (UserError, OSError) as error:
        return answer(dict(error=str(error)), 410)
    except MemoryError:
        return answer(dict(error='needs more memory than there is'), 507)


def _numbers(request: Request, *names: str) -> tuple[int, ...] | None:
    """Whole numbers of the query, None where one is none."""
    values = [request.query_params.get(name, '') for name in names]
    if not all(value.isascii() and value.isdigit() and len(value) < 10 for value in values):
        return None
    return tuple(map(int, values))
