"""What decisions do: each can be undone, none is lost between two tabs, and the log alone gives the same state."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from review_tabs import Tab, predict

from plugins.microscopy.review.decisions import Conflict, WrongDecision, inside

NAMES = dict(egg=1, Würmer=2)
ANY_NAME = st.sampled_from(sorted(NAMES))


def test_each_action_does_what_it_says(opened):
    review = opened()
    tab, key = Tab(review), 'b0-0'
    box = review.detected(key)
    assert box['status'] == 'open' and box['name'] == 'egg'
    assert tab.decide(key, 'accept')['after'] == box | dict(status='accepted')
    assert tab.decide(key, 'rename', name='Würmer')['after'] == box | dict(status='renamed', name='Würmer')
    assert tab.decide(key, 'rename', name='egg')['after'] == box | dict(status='accepted')
    assert tab.decide(key, 'unknown')['after'] == box | dict(status='unknown', name='unknown')
    assert tab.decide(key, 'reject')['after'] == box | dict(status='rejected')
    assert tab.decide(key, 'reopen')['after'] == box
    drawn = tab.decide('n1', 'draw', name='egg', bbox=[60, 40, 30, 30], picture=1)
    assert drawn['before'] is None and drawn['after'] == dict(status='drawn', name='egg', bbox=[60.0, 40.0, 4.0, 8.0])
    assert tab.decide('n1', 'rename', name='Würmer')['after']['status'] == 'drawn'
    assert tab.decide('n1', 'accept')['after'] == review.state('n1')
    assert tab.decide('n1', 'reject')['after'] is None
    assert tab.decide('f2', 'complete')['after'] == dict(status='complete')
    assert tab.decide('f2', 'reopen')['after'] == dict(status='open')


def test_a_record_says_what_who_when_with_which_model_and_picture(opened, out):
    import hashlib
    import json

    review = opened()
    record = Tab(review).decide('b1-2', 'reject')
    picture = out.parent / 'pictures' / 'b.png'
    assert record['picture_sha256'] == hashlib.sha256(picture.read_bytes()).hexdigest()
    model = out.parent / 'bundle' / 'model.onnx'
    assert record['model_sha256'] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert record['thresholds']['score_thr'] == 0.25 and record['who'] == 'reader' and record['tab'] == 'tab'
    assert record['file_name'] == str(picture) and record['time'].endswith('+00:00') and record['seq'] == 1
    assert len(record['config_sha256']) == 64 and record['before']['status'] == 'open'
    line = json.loads((out / 'review' / 'audit.jsonl').read_text().splitlines()[-1])
    assert {key: line[key] for key in record} == record


WRONG = [
    dict(action='burn'), dict(object='../x'), dict(object='b9-9'), dict(object='f9'), dict(object='x1'), dict(id=''),
    dict(run='0' * 64), dict(revision='0'), dict(revision=True), dict(action='rename'), dict(action='complete'),
    dict(action='rename', name='worm'), dict(action='rename', name=['egg']), dict(action='draw', name='egg'),
    dict(object='n2', action='accept', picture=0), dict(object='f0', action='accept'), dict(object='n'),
    dict(object='n2', action='draw', name='egg', bbox=[1, 2, 3], picture=0),
    dict(object='n2', action='draw', name='egg', bbox=[1, 2, 3, True], picture=0),
    dict(object='n2', action='draw', name='egg', bbox=[1, 2, float('nan'), 4], picture=0),
    dict(object='n2', action='draw', name='egg', bbox=[70, 2, 9, 4], picture=0),
    dict(object='n2', action='draw', name='egg', bbox=[1, 2, 9, 4], picture=7),
    dict(object='n2', action='draw', name='egg', bbox=[1, 2, 9, 4], picture='0'),
]  # fmt: skip


def test_a_wrong_request_changes_nothing(opened):
    review = opened()
    for change in WRONG:
        with pytest.raises(WrongDecision):
            review.decide(Tab(review).request('b0-0', 'accept') | change)
            pytest.fail(f'taken: {change}')
    for request in (None, [], 'x', {}):
        with pytest.raises(WrongDecision):
            review.decide(request)
    assert review.log.records == [] and review.states == {}


def test_two_tabs_do_not_overwrite_one_another(opened):
    review = opened()
    first, second = Tab(review, 'one'), Tab(review, 'two')
    late = second.request('b0-0', 'reject')  # made before the other was seen
    record = first.decide('b0-0', 'accept')
    with pytest.raises(Conflict):
        review.decide(late)
    assert review.state('b0-0')['status'] == 'accepted'
    second.decide('b0-0', 'unknown')  # once it has been seen, it may
    with pytest.raises(Conflict):
        first.decide('b0-0', 'undo', undoes=record['seq'])
    assert review.state('b0-0')['status'] == 'unknown' and len(review.log.records) == 2


def test_a_decision_that_is_sent_twice_is_made_once(opened):
    review = opened()
    request = Tab(review).request('b0-0', 'accept')
    record = review.decide(request)
    assert review.decide(request) == record
    again = opened()  # also by a server that was started after it
    assert again.decide(request) == record and len(again.log.records) == 1


ACTION = st.one_of(
    st.tuples(st.sampled_from(['accept', 'unknown', 'reject', 'reopen']), st.just({})),
    st.tuples(st.just('rename'), st.fixed_dictionaries(dict(name=ANY_NAME))),
    st.tuples(st.just('draw'), st.builds(dict, name=ANY_NAME, bbox=st.just([1, 2, 30, 20]), picture=st.just(0))),
    st.tuples(st.just('undo'), st.just({})),
)  # fmt: skip
STEPS = st.lists(st.tuples(st.sampled_from(['b0-0', 'b1-1', 'n1']), ACTION), max_size=25)


@given(steps=STEPS)
@settings(max_examples=40)
def test_undoing_everything_gives_what_the_detector_said_and_the_log_alone_gives_the_state(shared, steps):
    review = shared()
    tab, undoable = Tab(review), []
    before = dict(review.states)
    for key, (action, more) in steps:
        if action == 'undo':
            if undoable:
                key, seq = undoable.pop()
                tab.decide(key, 'undo', undoes=seq)
            continue
        try:
            undoable.append((key, tab.decide(key, action, **more)['seq']))
        except WrongDecision:  # such as of a box that is not drawn yet
            continue
    state = {key: review.state(key) for key in ('b0-0', 'b1-1', 'n1')}
    review = shared()
    assert {key: review.state(key) for key in state} == state
    for key, seq in reversed(undoable):
        Tab(review).decide(key, 'undo', undoes=seq)
    assert all(review.state(key) == before.get(key, review.detected(key)) for key in state)


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    """Function that opens one review again and again; each case goes on in the log of those before."""
    from plugins.microscopy.review.results import read_results
    from plugins.microscopy.review.review import Digests, Review

    out, last = predict(tmp_path_factory.mktemp('shared')), []

    def start():
        if last:
            last.pop().log.close()
        results = read_results(out)
        last.append(Review(results, out / 'review', results.names, 'reader', Digests(results)))
        return last[0]

    yield start
    for review in last:
        review.log.close()


def test_many_tabs_at_once_lose_nothing(opened):
    review, made = opened(), []

    def work(name: str) -> None:
        tab = Tab(review, name)
        for i in range(40):
            try:
                made.append(tab.decide(f'b{i % 3}-0', ('accept', 'reject', 'unknown')[i % 3]))
            except Conflict:
                continue

    threads = [threading.Thread(target=work, args=(f't{i}',)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.sort(key=lambda record: record['seq'])
    again = opened()
    assert again.log.records == made and [record['seq'] for record in made] == list(range(1, len(made) + 1))
    for record, later in ((r, [x for x in made if x['object'] == r['object'] and x['seq'] > r['seq']]) for r in made):
        if later:
            assert later[0]['before'] == record['after']


@given(
    bbox=st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
    size=st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
)
def test_a_drawn_box_lies_in_its_picture(bbox, size):
    try:
        x, y, width, height = inside(bbox, size)
    except WrongDecision:
        return
    assert 0 <= x and 0 <= y and x + width <= size[0] + 0.011 and y + height <= size[1] + 0.011
    assert width >= 1 and height >= 1
