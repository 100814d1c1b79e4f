"""BCCD with white cells by subtype: 5 known classes, 3 seeds, test_clean.

python benchmarks/yolov5_bccd7.py
"""

from finetuning import measure

if __name__ == '__main__':
    measure('yolov5_bccd7', 'configs/yolov5/yolov5n_bccd7.py', {'test': []})
