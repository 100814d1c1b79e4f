# Microscopy at 640 px: mosaic, all turns and flips, mild stain and focus changes.
img_scale = (640, 640)  # width, height of the network input in px

# each source image, before mixing; boxes as numpy until PackDetInputs
source_pipeline = [
    dict(type='LoadAnnotations', with_bbox=True, box_type=None),
    # cache_mb: MB of disk for resized images, one file for all processes and runs; 0: no cache
    dict(type='LoadResizedImage', scale=img_scale, cache_mb=8192),
]
mix_pipeline = [
    # flips=(.5, .5, .5): the eight turns and flips with equal shares, a slide has no upside; one magnification, and
    # size tells kinds apart: little zoom
    dict(type='MosaicAffine', scale=img_scale, prob=0.75, zoom=(0.8, 1.25), shift=0.1, flips=(0.5, 0.5, 0.5)),
    dict(type='ColourJitter', hue=0.015, saturation=0.3, value=0.2),
    dict(
        type='Albu',
        transforms=[
            dict(type='RGBShift', r_shift_limit=10, g_shift_limit=10, b_shift_limit=10, p=0.3),  # stain, of 255
            dict(type='GaussianBlur', blur_limit=(3, 5), p=0.1),  # focus, px
        ],
    ),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'mosaic_img_ids')),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Letterbox', scale=img_scale),
    dict(type='LoadAnnotations', with_bbox=True),  # after Letterbox: boxes stay in pixels of the original image
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances', 'unknown_instances'),
    ),
]
