"""Trainings in processes of their own that are killed at random points, and gone on with."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from zoo.signals import interruptible

FORKED = multiprocessing.get_context("fork")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Training = Callable[[Path], None]
"""Trains in a folder, from the state that it finds there, and leaves `weights` there."""


@dataclass
class Killer:
    """Kills a training so many times; where each hits is drawn, and decided by the clock.

    Whatever it hits, the weights must be those of an uninterrupted training: the clock only
    decides which points are tried.
    """

    training: Training
    folder: Path
    draw: random.Random
    whole: bytes = b""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        began = time.monotonic()
        uninterrupted = self.folder / "whole"
        assert self._ended(self._started(uninterrupted)) == 0
        self.seconds = time.monotonic() - began
        self.whole = (uninterrupted / "weights").read_bytes()

    def kill(self, times: int) -> int:
        """Kill until `times` signals have hit; returns how many trainings they were spread over."""
        trainings = 0
        while times:
            folder = self.folder / str(trainings)
            trainings += 1
            while times and (by := self._attempt(folder)):
                times -= by != 0
            if not (folder / "weights").exists():
                assert self._ended(self._started(folder)) == 0
            assert (folder / "weights").read_bytes() == self.whole, f"training {trainings}"
        return trainings

    def _attempt(self, folder: Path) -> int:
        """One process that is sent a signal; returns the signal, or 0 where it had ended."""
        process, by = self._started(folder), self.draw.choice(SIGNALS)
        process.join(self.draw.uniform(0.0, 0.7 * self.seconds))
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, by)
        code = self._ended(process)
        assert code in {0, -by if by is signal.SIGKILL else 128 + by}
        return by if code else 0

    def _started(self, folder: Path) -> BaseProcess:
        folder.mkdir(exist_ok=True)
        process = FORKED.Process(target=self._work, args=(folder,))
        process.start()
        return process

    def _work(self, folder: Path) -> None:
        # The parent's pool of threads was not copied with the fork.
        torch.set_num_threads(1)
        with interruptible():
            self.training(folder)

    @staticmethod
    def _ended(process: BaseProcess) -> int:
        process.join()
        assert process.exitcode is not None
        return process.exitcode
