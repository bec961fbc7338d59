"""Studies on the command line: their axes, variants and tables."""

import json
from typing import Any

from zoo.board.render import as_markdown
from zoo.board.seeds import seeds_text
from zoo.board.studies import built_records, published_jobs, published_records, variants_table
from zoo.board.study import study_rows
from zoo.board.study_table import study_table
from zoo.board.terminal import as_terminal
from zoo.cli.board import DATA, FORMATS
from zoo.cli.target import require_option
from zoo.errors import Problem, UsageError
from zoo.paths import Project, find_project
from zoo.pipeline.kinds import STUDY
from zoo.pipeline.params import study_jobs
from zoo.pipeline.variants import expand
from zoo.records.records import Record
from zoo.resolve.entry import ResolvedSuite
from zoo.spec.load import suite_names
from zoo.spec.study import StudyJob


def study_board(suite: str, study: str, form: str, *, built: bool) -> str:
    """A study's table as text.

    Raises:
        UsageError: unknown suite, study or format, or a study without a table.
        ZooError: the build is out of date with its declaration.
    """
    project = find_project()
    require_option("suite", suite, suite_names(project))
    require_option("format", form, FORMATS)
    jobs = {job.entry: job for job in study_jobs(project, suite)}
    require_option("study", study, sorted(jobs))
    job, records = _source(project, jobs[study], built=built)
    if form in DATA:
        return DATA[form](study_table(job, study_rows(job, records)))
    table = variants_table(job, records)
    return as_markdown(table) if form == "md" else as_terminal(table)


def show_study(suite: ResolvedSuite, name: str, *, as_json: bool) -> str:
    """A study's axes and variants."""
    study, variants = suite.loaded.studies[name], expand(suite, name)
    if as_json:
        facts: dict[str, Any] = {
            "study": f"{suite.name}/{name}",
            "spec": study.model_dump(mode="json"),
            "variants": [
                {"name": v.name, "entry": v.entry.name, "values": v.values, "runs": v.runs}
                for v in variants
            ],
        }
        return json.dumps(facts, indent=1, sort_keys=True)
    tasks = ", ".join(variants[0].entry.tasks)
    varied = variants[0].entry
    seeds = seeds_text({task: varied.suite.seeds_of(task) for task in varied.tasks})
    head = f"{suite.name}/{name}  varies {study.entry} on {tasks}; seeds {seeds}"
    axes = [f"  {axis}: {_listed(values)}" for axis, values in study.axes.items()]
    width = max(len(variant.name) for variant in variants)
    lines = []
    for variant in variants:
        values = ", ".join(f"{axis} {json.dumps(value)}" for axis, value in variant.values.items())
        built = variant.entry.name
        its_own = f"  (same as {built})" if built in suite.entries else ""
        lines.append(f"  {variant.name:<{width}}  {values}{its_own}")
    return "\n".join([head, "", "axes", *axes, "", "variants", *lines])


def listed(suite: ResolvedSuite) -> list[dict[str, Any]]:
    """One line per study."""
    return [
        {
            "entry": f"{suite.name}/{name}",
            "method": STUDY.name,
            "parameters": suite.entries[study.entry].recipe.shape.parameters().total,
            "note": study.note,
        }
        for name, study in sorted(suite.loaded.studies.items())
    ]


def _listed(values: tuple[Any, ...]) -> str:
    return ", ".join(map(json.dumps, values))


def _source(project: Project, job: StudyJob, *, built: bool) -> tuple[StudyJob, list[Record]]:
    """A built or published study, and its records."""
    if built:
        return job, built_records(project, job)
    published = {each.entry: each for each in published_jobs(project, job.suite)}
    if job.entry not in published:
        remedy = f"build it with `zoo run {job.suite}/{job.entry}`; see it with --built"
        raise UsageError(
            Problem(f"the study {job.entry} of {job.suite}", "not published", remedy=remedy)
        )
    return published[job.entry], published_records(project, published[job.entry])
