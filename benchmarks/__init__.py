"""Comparisons of this engine with others, kept beside it and run by hand."""

from benchmarks.vision import declare_operators

# First of all: transformers imports torchvision wherever it is installed.
declare_operators()
