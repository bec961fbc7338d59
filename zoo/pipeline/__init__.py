"""DVC pipelines: compiled from specs, written by `zoo sync`, run by `dvc repro`."""
