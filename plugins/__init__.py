"""One folder a plugin: ``plugins.NAME`` registers itself into mmdet's registries when it is imported."""
