"""Operators of mmcv in plain torch, with the signatures of its compiled ``_ext``: outputs are written in place."""
