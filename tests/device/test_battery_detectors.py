"""Plain detectors, Tensor-Train layers, compression and quantisation on an accelerator, as battery_tests.py says."""

from battery_tests import (  # noqa: F401
    rows,
    test_every_synchronisation_has_a_reason,
    test_no_step_waits_more_often_than_recorded,
    test_stage,
)

FAMILIES = ('yolov5', 'faster-rcnn', 'tensor-train', 'compression')
