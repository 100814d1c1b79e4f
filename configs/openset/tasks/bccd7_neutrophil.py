# Blood cells with the neutrophil as the unknown class.
# Split: detplug openset-split configs/yolov5/yolov5n_bccd7.py --unknown neutrophil
_base_ = '../yolov5n_bccd7.py'

classes = 6
task = dict(
    metainfo=dict(classes=('RBC', 'Platelets', 'lymphocyte', 'monocyte', 'eosinophil', 'basophil')),
    unknown_classes=('neutrophil',),
)
split = dict(task, images_file='{{ fileDirname }}/splits/bccd7_neutrophil.json')
train_dataloader = dict(dataset=dict(dataset=dict(labelled=dict(dataset=split), unlabelled=dict(dataset=split))))
val_dataloader = dict(dataset=task)
test_dataloader = dict(dataset=task)
model = dict(
    classes=classes,
    detector=dict(bbox_head=dict(num_classes=classes + 1), test_cfg=dict(max_per_img=300 * (classes + 1))),
    teacher_cfg=dict(max_per_img=300 * (classes + 1)),
)
