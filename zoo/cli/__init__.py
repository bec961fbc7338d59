"""The command line: one module per verb, imported on use."""

from zoo.cli.app import main

__all__ = ["main"]
