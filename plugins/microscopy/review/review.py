"""The state of a review in memory, always what the audit log says: every change is a line of it first."""

import hashlib
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plugins.microscopy.review.audit_log import AuditLog
from plugins.microscopy.review.decisions import OPEN, Conflict, State, WrongDecision, check_request, decided
from plugins.microscopy.review.results import Results


class Review:
    """Decisions on the boxes of a prediction.

    Args:
        names: class name -> category id that a box may have.
        who: the reviewer, for the log.
        digest: picture number -> sha256 of its file.

    Attributes:
        states: object -> state, of objects on which something was decided.
        revision: object -> sequence number of the last decision on it.

    Raises:
        UserError: as :class:`AuditLog`.
    """

    def __init__(self, results: Results, folder: Path, names: dict[str, int], who: str,
                 digest: Callable[[int], str]) -> None:  # fmt: skip
        self.results, self.names, self.who, self.digest = results, dict(names), who, digest
        boxes = results.boxes
        self.row = {f'b{p}-{b}': i for i, (p, b) in enumerate(zip(boxes.picture, boxes.box, strict=True))}
        run = dict(run=results.identity, model=results.model, config=results.config, thresholds=results.thresholds)
        self.log = AuditLog(folder, run)
        self.states: dict[str, State] = {}
        self.revision: dict[str, int] = {}
        self.picture: dict[str, int] = {}
        self._history: dict[str, list[dict]] = {}
        self._by_id: dict[str, dict] = {}
        self.lock = threading.Lock()
        for record in self.log.records:
            self._take(record)
        for name in (state['name'] for state in self.states.values() if state and 'name' in state):
            if name not in self.names and name != 'unknown':  # of a --name that was given before
                self.names[name] = max(self.names.values(), default=0) + 1

    def detected(self, key: str) -> State:
        """The state before any decision; None of an object that the detector does not have."""
        if key in self.row:
            row, boxes = self.row[key], self.results.boxes
            return dict(status=OPEN, name=boxes.name[row], bbox=boxes.xywh[row].tolist())
        return dict(status=OPEN) if key[0] == 'f' and self._picture_of(key) is not None else None

    def state(self, key: str) -> State:
        """The state now."""
        return self.states[key] if key in self.states else self.detected(key)

    def decide(self, request: Any) -> dict[str, Any]:
        """Make a decision; returns its record, which is on the disk. One that was sent twice is made once.

        Raises:
            WrongDecision: it cannot be made. Conflict: another one came before. OSError: the disk does not take it.
        """
        request = check_request(request)
        if request['run'] != self.results.identity:
            raise WrongDecision('run: this page is of another review; load it again')
        key = request['object']
        number = self._picture_of(key, request.get('picture'))
        if number is None:
            raise WrongDecision('object: no such box or picture')
        self.digest(number)  # outside of the lock: it reads the file where it is the first time
        with self.lock:
            if request['id'] in self._by_id:
                return self._by_id[request['id']]
            before = self.state(key)
            record = self._record(request, number, before, self._after(request, number, before))
            self.log.append(record)
            self._take(record)
            return record

    def since(self, seq: int) -> list[dict[str, Any]]:
        """What pages are told of the decisions after number ``seq``: one entry an object, its state now."""
        with self.lock:
            changed = {record['object']: record for record in self.log.records[max(seq, 0) :]}
            return [for_pages(record) for record in changed.values()]

    def _after(self, request: dict, number: int, before: State) -> State:
        key, action = request['object'], request['action']
        if action == 'undo':
            history = self._history.get(key)
            if not history or history[-1]['seq'] != request.get('undoes'):
                raise Conflict('somebody has decided on it since; nothing was undone')
            return history[-1]['before']
        if request['revision'] != self.revision.get(key, 0):
            raise Conflict('somebody has decided on it since')
        size = self.results.pictures[number].size
        return decided(action, before, self.detected(key), request, self.names, size)

    def _record(self, request: dict, number: int, before: State, after: State) -> dict[str, Any]:
        results = self.results
        undone = dict(undoes=request['undoes']) if request['action'] == 'undo' else {}
        return dict(
            seq=len(self.log.records) + 1, time=datetime.now(UTC).isoformat(timespec='milliseconds'), who=self.who,
            id=request['id'], tab=request['tab'], action=request['action'], **undone, object=request['object'],
            before=before, after=after, picture=number, file_name=results.pictures[number].item.name,
            picture_sha256=self.digest(number), model_sha256=results.model, config_sha256=results.config,
            thresholds=results.thresholds,
        )  # fmt: skip

    def _take(self, record: dict[str, Any]) -> None:
        key = record['object']
        history = self._history.setdefault(key, [])
        if record['action'] == 'undo':
            history.pop()
        else:
            history.append(record)
        self.states[key], self.revision[key] = record['after'], record['seq']
        self.picture[key] = record['picture']
        self._by_id[record['id']] = record

    def _picture_of(self, key: str, asked: Any = None) -> int | None:
        """Number of the picture of an object, None where there is none."""
        if key in self.row:
            return int(self.results.boxes.picture[self.row[key]])
        if key in self.picture:
            return self.picture[key]
        if key[0] == 'f':
            asked = int(key[1:]) if re.fullmatch(r'f(0|[1-9]\d{0,9})', key, re.ASCII) else None
        elif key[0] != 'n':
            return None
        return asked if type(asked) is int and asked in self.results.pictures else None


def for_pages(record: dict[str, Any]) -> dict[str, Any]:
    """Of a record, what pages need."""
    keys = ('seq', 'object', 'picture', 'after', 'who', 'tab', 'action', 'id')
    return {key: record[key] for key in keys}


class Digests:
    """sha256 of the files of pictures, each read once as long as its size and time stay."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._known: dict[int, tuple[tuple, str]] = {}

    def __call__(self, number: int) -> str:
        """Of picture ``number``; '' where the file is not there any more."""
        path = self.results.pictures[number].item.path
        try:
            stat = path.stat()
            now = stat.st_size, stat.st_mtime_ns
            if self._known.get(number, (None,))[0] != now:
                with open(path, 'rb') as file:
                    self._known[number] = now, hashlib.file_digest(file, 'sha256').hexdigest()
            return self._known[number][1]
        except OSError:
            return ''
