"""Naming the unknown at inference, for detectors that were trained closed too. fuse.py needs no torch."""
