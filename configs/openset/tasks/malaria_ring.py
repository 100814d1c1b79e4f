# Malaria with the ring as the unknown class.
# Split: detplug openset-split configs/yolov5/yolov5n_malaria.py --neighbours 15 --unknown ring
_base_ = '../yolov5n_malaria.py'

classes = 4
task = dict(
    metainfo=dict(classes=('red blood cell', 'gametocyte', 'trophozoite', 'schizont')),
    unknown_classes=('ring',),
)
split = dict(task, images_file='{{ fileDirname }}/splits/malaria_ring.json')
train_dataloader = dict(dataset=dict(dataset=dict(labelled=dict(dataset=split), unlabelled=dict(dataset=split))))
val_dataloader = dict(dataset=task)
test_dataloader = dict(dataset=task)
model = dict(
    classes=classes,
    detector=dict(bbox_head=dict(num_classes=classes + 1), test_cfg=dict(max_per_img=300 * (classes + 1))),
    teacher_cfg=dict(max_per_img=300 * (classes + 1)),
)
