"""Open-set semi-supervised detection: CCE and OODFC (Lu, Gu et al. 2024, arXiv 2408.12355; no official code)."""
