"""`zoo reproduce`: bring single stages up to date by DVC; called by `zoo run`."""

import logging
import os
from collections.abc import Sequence

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from zoo.errors import Problem, ZooError
from zoo.paths import find_project
from zoo.pipeline.locks import wait_for_others


def reproduce(stages: Sequence[str]) -> None:
    """Run the stages that are out of date; wait while another DVC works on what they need.

    DVC has a lock per path, and gives up at once where one is taken.

    Raises:
        ZooError: a stage failed.
    """
    project = find_project()
    logging.getLogger("dvc").setLevel(logging.WARNING)  # `zoo run` tells what runs
    os.chdir(project.root)  # from where the stages are named
    while True:
        try:
            with Repo(str(project.root), _wait_for_lock=True) as repo:
                repo.reproduce(list(stages), single_item=True)
        except DvcException as error:
            if not _is_busy(error):
                raise ZooError(Problem(" ".join(stages), _words(error))) from error
            wait_for_others(project)
        else:
            return


def _is_busy(error: BaseException | None) -> bool:
    """Whether another process holds a lock of DVC."""
    while error is not None and not isinstance(error, LockError):
        error = error.__cause__ or error.__context__
    return error is not None


def _words(error: BaseException) -> str:
    """DVC's messages, from the whole to its cause."""
    words, seen = [], set[int]()
    while isinstance(error, Exception) and id(error) not in seen:
        seen.add(id(error))
        words.append(str(error))
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return ": ".join(dict.fromkeys(filter(None, words)))
