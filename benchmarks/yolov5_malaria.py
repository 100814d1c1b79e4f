"""Malaria, known classes, all train images (labelled and unlabelled split), 300 detections an image, 3 seeds.

python benchmarks/yolov5_malaria.py
"""

from finetuning import measure

if __name__ == '__main__':
    measure('yolov5_malaria', 'configs/yolov5/yolov5n_malaria.py', {'test': []})
