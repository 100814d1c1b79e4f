"""Figures of open-set detection, each as a function of arrays; :class:`OpenSetMetric` puts them together."""

from .open_set_metric import OpenSetMetric

__all__ = ['OpenSetMetric']
