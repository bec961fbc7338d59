"""What a command is asked to work on: a suite, or an entry of one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zoo.errors import Problem, UsageError, suggestion
from zoo.paths import Project
from zoo.spec.base import NAME_PATTERN
from zoo.spec.extend import extended_folders
from zoo.spec.load import suite_names
from zoo.spec.reader import ENTRIES, STUDIES, TEACHERS, spec_names


@dataclass(frozen=True)
class Target:
    """An entry, a teacher or a study of a suite."""

    suite: str
    entry: str

    def __str__(self) -> str:
        return f"{self.suite}/{self.entry}"


def entry_target(project: Project, given: str) -> Target:
    """`<suite>/<entry>`, or the name of an entry alone where only one suite has it.

    Raises:
        UsageError: there is no such suite or entry, or several suites have it.
    """
    suite, slash, entry = given.rpartition("/")
    if not slash:
        return _by_name(project, given, suites_too=False)
    require_known(given, f"there is no suite {suite!r}", suite, suite_names(project))
    require_known(given, f"{suite} has no entry {entry!r}", entry, entry_names(project, suite))
    return Target(suite, entry)


def pipeline_target(given: str) -> Target:
    """`<suite>/<entry>` as the commands of pipelines name it, those of boards and inputs too.

    Raises:
        UsageError: the suite is missing.
    """
    suite, slash, entry = given.partition("/")
    if not (slash and suite and entry):
        raise UsageError(Problem(given, "the suite is missing", "<suite>/<entry>"))
    return Target(suite, entry)


def suite_or_entry(project: Project, given: str) -> tuple[str, str | None]:
    """A suite and None, or a suite and one of its entries.

    Raises:
        UsageError: there is neither, or several suites have the entry.
    """
    if given in suite_names(project):
        return given, None
    slash = "/" in given
    found = entry_target(project, given) if slash else _by_name(project, given, suites_too=True)
    return found.suite, found.entry


def entry_names(project: Project, suite: str) -> list[str]:
    """The teachers, entries and studies of a suite, by their files; also those it inherits."""
    inherited = (
        name
        for folder in extended_folders(project, suite)
        for place in (ENTRIES, TEACHERS)
        for name in spec_names(folder, place)
    )
    return sorted({*_own_names(project, suite), *filter(_can_be_named, inherited)})


def _own_names(project: Project, suite: str) -> set[str]:
    folder, places = project.specs / suite, (ENTRIES, TEACHERS, STUDIES)
    names = (name for place in places for name in spec_names(folder, place))
    return set(filter(_can_be_named, names))


def _can_be_named(name: str) -> bool:
    return re.fullmatch(NAME_PATTERN, name) is not None


def _by_name(project: Project, given: str, *, suites_too: bool) -> Target:
    # An inherited entry goes by its suite: its name alone means the one it comes from.
    entries = {suite: _own_names(project, suite) for suite in suite_names(project)}
    having = [suite for suite, names in entries.items() if given in names]
    if len(having) == 1:
        return Target(having[0], given)
    if having:
        choices = ", ".join(f"{suite}/{given}" for suite in having)
        raise UsageError(Problem(given, "several suites have an entry of this name", choices))
    known = {name for names in entries.values() for name in names}
    known |= set(entries) if suites_too else set()
    told = "not a suite or an entry" if suites_too else "no suite has this entry"
    allowed = "<suite> or <suite>/<entry>" if suites_too else "<suite>/<entry>"
    near = suggestion(given, known) or "see `zoo list`"
    raise UsageError(Problem(given, told, allowed, near))


def require_known(given: str, told: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not among those known; `given` is how it was written.

    Raises:
        UsageError: with the known names, and the nearest.
    """
    if name not in known:
        raise UsageError(Problem(given, told, ", ".join(known), suggestion(name, known)))


def require_option(option: str, name: str, known: Sequence[str]) -> None:
    """Refuse the value of an option that is not among those known.

    Raises:
        UsageError: with the known names, and the nearest.
    """
    require_known(f"--{option} {name}", f"there is no such {option}", name, known)
