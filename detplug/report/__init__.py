"""The report of a training or a test: curves, confusion matrix, pictures, report.html.

Importing this package loads nothing: what draws pictures needs no torch. The hook is :mod:`detplug.report.hook`.
"""
