"""The report of a training or a test: curves, confusion matrix, pictures, report.html."""

from detplug.report.hook import ReportHook  # noqa: F401
