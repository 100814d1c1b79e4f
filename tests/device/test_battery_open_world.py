"""Open-set and semi-supervised training, relations on an accelerator, as battery_tests.py says."""

from battery_tests import (  # noqa: F401
    rows,
    test_every_synchronisation_has_a_reason,
    test_no_step_waits_more_often_than_recorded,
    test_stage,
)

FAMILIES = ('openset', 'openset-faster-rcnn', 'soft-teacher', 'sabra-boxes', 'sabra')
