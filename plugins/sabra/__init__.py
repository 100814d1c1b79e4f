"""Relation detection: SABRA (Jin, Ma, Zhang et al., BMVC 2021, arXiv 2012.12510; no official code)."""
