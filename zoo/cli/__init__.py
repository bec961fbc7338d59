"""The command line: one module per verb, imported when the verb is used."""

from zoo.cli.app import main

__all__ = ["main"]
