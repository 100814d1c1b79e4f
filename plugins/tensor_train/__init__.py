"""Tensor-Train layers, rank selection (LWIQ), and compression of any mmdet model; TT-YOLOv5.

Papers: Liu et al. (arXiv 2408.01534), LWIQ of Luo et al. (arXiv 2408.01534v1), ADMM-TT of Yin et al. (arXiv
2107.12422). README.md says what is theirs and what is ours.
"""
