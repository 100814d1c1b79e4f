# Generated parasite eggs with taenia and fasciolopsis as the unknown species.
# Split: detplug openset-split data/parasite_samples/annotations/train.json --unknown taenia fasciolopsis
_base_ = '../yolov5n_parasite-samples.py'

classes = 8
task = dict(
    metainfo=dict(
        classes=(
            'ascaris',
            'trichuris',
            'hookworm',
            'enterobius',
            'opisthorchis',
            'schistosoma',
            'paragonimus',
            'hymenolepis',
        )
    ),
    unknown_classes=('taenia', 'fasciolopsis'),
)
split = dict(task, images_file='{{ fileDirname }}/splits/parasite-samples_taenia-fasciolopsis.json')
train_dataloader = dict(dataset=dict(dataset=dict(labelled=dict(dataset=split), unlabelled=dict(dataset=split))))
val_dataloader = dict(dataset=task)
test_dataloader = dict(dataset=task)
model = dict(
    classes=classes,
    detector=dict(bbox_head=dict(num_classes=classes + 1), test_cfg=dict(max_per_img=300 * (classes + 1))),
    teacher_cfg=dict(max_per_img=300 * (classes + 1)),
)
