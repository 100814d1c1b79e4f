# The two views of an unlabelled image, weak for the teacher and strong for the student; for any image size.
branches = ['sup', 'unsup_teacher', 'unsup_student']
pack_view = dict(
    type='PackDetInputs',
    meta_keys=(
        'img_id',
        'img_path',
        'ori_shape',
        'img_shape',
        'scale_factor',
        'homography_matrix',
        'instances',  # hidden labels: diagnosis only
        'unknown_instances',
    ),
)
# only transforms that record a homography may move an unlabelled image: mosaic and affine do not
strong_view = [
    dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='ColourJitter', hue=0.03, saturation=0.5, value=0.3),
    dict(
        type='Albu',
        transforms=[
            dict(type='RGBShift', r_shift_limit=20, g_shift_limit=20, b_shift_limit=20, p=0.5),  # stain, of 255
            dict(type='GaussianBlur', blur_limit=(3, 7), p=0.3),  # focus, px
        ],
    ),
    pack_view,
]
views = dict(type='MultiBranch', branch_field=branches, unsup_teacher=[pack_view], unsup_student=strong_view)
# 4 labelled and 4 unlabelled images a batch; a data file fills in the two data sets and the labelled pipeline
two_sources = dict(
    batch_size=8,
    num_workers=0,  # without a GPU a loader process takes the cores from the network; with one: 2 or more
    sampler=dict(type='TwoSourceSampler', pattern=(1, 1)),
    dataset=dict(
        type='SeededDataset',
        dataset=dict(
            type='TwoSources',
            labelled=dict(type='MixDataset', dataset=dict(), pipeline=[]),
            unlabelled=dict(type='MixDataset', dataset=dict(), pipeline=[views]),
        ),
    ),
)
