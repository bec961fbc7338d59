"""Two processes that train together, as the tests need them."""

from collections.abc import Callable
from pathlib import Path

import accelerate  # noqa: F401  (once, here, and not in every process that is forked)
import torch

from zoo.training import launch
from zoo.training.beside import run_beside
from zoo.training.group import ProcessGroup, training_group

CPU = torch.device("cpu")


def together(work: Callable[[ProcessGroup, Path], None], folder: Path, size: int = 2) -> list[Path]:
    """Let each of `size` processes work in a folder of its own; returns the folders by rank."""
    port = launch._free_port()
    folders = [folder / str(rank) for rank in range(size)]
    for each in folders:
        each.mkdir(parents=True)

    def piece(rank: int) -> None:
        launch._as_rank(lambda: work(training_group(CPU), folders[rank]), rank, size, port)

    if size == 1:
        work(ProcessGroup(), folders[0])
        return folders
    run_beside([lambda rank=rank: piece(rank) for rank in range(size)], size, together=True)
    return folders
