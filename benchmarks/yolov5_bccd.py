"""BCCD, 3 classes: YOLOv5n fine-tuned from COCO, 3 seeds.

test            the official split, 72 images, labels as published: for comparison with published figures
test_clean      no field of view that overlaps with training, known label errors ignored, images with white cells that
                have no box left out (56 images): the config's own test
test_clean_raw  the same split with all 59 images and labels as published

python benchmarks/yolov5_bccd.py     (about 45 minutes on two cores)
"""

from finetuning import measure

AS_PUBLISHED = ['test_dataloader.dataset.exclude_key=None', 'test_dataloader.dataset.known_label_errors=[]']

if __name__ == '__main__':
    measure(
        'yolov5_bccd',
        'configs/yolov5/yolov5n_bccd.py',
        {
            'test': ['test_dataloader.dataset.images_key=test', *AS_PUBLISHED],
            'test_clean': [],
            'test_clean_raw': AS_PUBLISHED,
        },
    )
