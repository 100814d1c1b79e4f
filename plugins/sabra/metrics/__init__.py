"""Evaluation of relations; numpy only but for :mod:`.metric`, the part of training and test, and :mod:`.pictures`."""
