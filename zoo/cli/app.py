"""The commands of `zoo`, their options and exit codes: 1 for a failed check, 2 for wrong usage."""

import sys
from pathlib import Path
from typing import Annotated, Never

import typer

from zoo.cli.streams import open_streams, watched_output
from zoo.disk import cannot_write, no_room
from zoo.errors import ZooError
from zoo.paths import fix_data_folder

app = typer.Typer(
    name="zoo",
    help="A declarative zoo of distilled BERTs with reproducible benchmarks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EntryArgument = Annotated[str, typer.Argument(help="<suite>/<entry>; must be built.")]
SuiteOption = Annotated[str, typer.Option("--suite", "-s", help="A folder under specs/.")]


def main() -> None:
    """Run the command line."""
    open_streams()
    fix_data_folder()
    try:
        try:
            app()
        finally:
            with watched_output():
                pass  # flushes what is still buffered
    except ZooError as error:
        _fail(error)
    except Exception as error:
        full = no_room(error)
        if full is None:
            raise
        _fail(ZooError(cannot_write(str(getattr(error, "filename", None) or "a file"), full)))


def _fail(error: ZooError) -> Never:
    print(error, file=sys.stderr)  # noqa: T201
    raise SystemExit(error.exit_code) from None


def _print(text: str) -> None:
    with watched_output():
        print(text.rstrip("\n"))  # noqa: T201


def _end(text: str, code: int) -> None:
    """Print and exit with a code: 0 success, 1 failed check, 2 invalid specs."""
    _print(text)
    raise typer.Exit(code)


@app.command()
def check(
    schema: Annotated[
        str | None, typer.Option(help="Print the JSON Schema of suite, teacher, entry or study.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Validate all specs; report every problem with file, line, key and allowed values."""
    if schema:
        from zoo.cli import schema as schema_verb  # noqa: PLC0415

        _print(schema_verb.schema(schema))
        return
    from zoo.cli import check as verb  # noqa: PLC0415

    _end(*verb.check(as_json=as_json))


@app.command()
def sync(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if anything is out of date.")
    ] = False,
) -> None:
    """Regenerate pipelines, tables and documents from specs and records."""
    from zoo.cli import sync as verb  # noqa: PLC0415

    _print(verb.check_synced() if check_only else verb.write())


@app.command()
def doctor(
    suite: Annotated[
        str | None, typer.Argument(help="Only this suite; exit code 1 if it lacks something.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also check the hashes that specs declare.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what this machine is, and what it has of the suites' data and weights."""
    from zoo.cli import doctor as verb  # noqa: PLC0415

    _end(*verb.doctor(suite, verify=verify, as_json=as_json))


@app.command("list")
def list_entries(as_json: Json = False) -> None:
    """List suites, teachers, entries and studies."""
    from zoo.cli import show as verb  # noqa: PLC0415

    _print(verb.list_entries(as_json=as_json))


@app.command()
def show(
    entry: Annotated[
        str,
        typer.Argument(help="<suite>/<entry> or <suite>/<study>; or just its name, if unique."),
    ],
    as_json: Json = False,
) -> None:
    """Show an entry's shapes and loss terms by stage, or a study's variants."""
    from zoo.cli import show as verb  # noqa: PLC0415

    _print(verb.show(entry, as_json=as_json))


@app.command()
def run(
    target: Annotated[str, typer.Argument(help="A suite, <suite>/<entry> or <suite>/<study>.")],
    jobs: Annotated[int, typer.Option(min=1, help="Entries to build in parallel.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run, and stop.")
    ] = False,
) -> None:
    """Build a suite, an entry or a study with `dvc repro`."""
    from zoo.cli import run as verb  # noqa: PLC0415

    raise typer.Exit(verb.run(target, jobs=jobs, dry_run=dry_run))


@app.command()
def board(  # noqa: PLR0913, PLR0917  (options are arguments here)
    suite: SuiteOption = "pocket",
    built: Annotated[
        bool,
        typer.Option("--built", help="Show this machine's build instead of the published results."),
    ] = False,
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    sort: Annotated[
        str | None, typer.Option(help="Column to sort by; -column for descending order.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json or md.")] = "table",
    study: Annotated[str | None, typer.Option(help="Show this study's table instead.")] = None,
    as_json: Json = False,
) -> None:
    """Print a suite's leaderboard, or the table of one of its studies."""
    if study is not None:
        from zoo.cli import study as study_verb  # noqa: PLC0415

        _print(study_verb.study_board(suite, study, "json" if as_json else form, built=built))
        return
    from zoo.cli import board as verb  # noqa: PLC0415

    query = verb.Query(suite, built=built, task=task, sort=sort)
    _print(verb.board(query, "json" if as_json else form))


@app.command()
def publish(
    suite: SuiteOption = "pocket",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change, and stop.")
    ] = False,
) -> None:
    """Copy this machine's records into results/, ready to commit."""
    from zoo.cli import board as verb  # noqa: PLC0415

    _print(verb.publish(suite, dry_run=dry_run))


@app.command()
def regression(suite: SuiteOption = "pocket", as_json: Json = False) -> None:
    """Compare this machine's build with the published records; fail if it is worse."""
    from zoo.cli import regression as verb  # noqa: PLC0415

    _end(*verb.regression(suite, as_json=as_json))


@app.command()
def score(
    task: Annotated[str, typer.Argument(help="A GLUE task, ax, squad-v1.1 or squad-v2.0.")],
    data: Annotated[Path, typer.Option(help="The labelled data file, in the official format.")],
    predictions: Annotated[
        Path, typer.Option(help="The predictions file, in the official format.")
    ],
    null_odds: Annotated[
        Path | None,
        typer.Option(help="SQuAD v2.0: no-answer probabilities, as JSON by question id."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a predictions file in the official format, without a model."""
    from zoo.cli import score as verb  # noqa: PLC0415

    _print(verb.score(task, data, predictions, null_odds, as_json=as_json))


@app.command()
def submit(
    entry: EntryArgument,
    split: Annotated[str, typer.Option(help="test, or dev for a dry run.")] = "test",
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the run; default: the suite's first.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; default: the entry's own.")
    ] = None,
) -> None:
    """Write prediction files for submission to the GLUE and SQuAD servers."""
    from zoo.cli import submit as verb  # noqa: PLC0415

    _print(verb.submit(entry, split=split, task=task, seed=seed, out=out))


@app.command()
def bench(  # noqa: PLR0913, PLR0917  (options are arguments here)
    entry: EntryArgument,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    runtime: Annotated[
        list[str] | None, typer.Option(help="Only this runtime; repeatable.")
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(help="This batch x length instead; repeatable.")
    ] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Timed calls per cell.")] = None,
    task: Annotated[str | None, typer.Option(help="Only this task's model.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a built entry's latency against its teacher; save records and raw samples."""
    from zoo.cli import bench as verb  # noqa: PLC0415

    told = verb.bench(
        entry,
        device=device,
        runtimes=runtime or (),
        shapes=shape or (),
        samples=samples,
        task=task,
        as_json=as_json,
    )
    _print(told)


@app.command()
def export(
    entry: EntryArgument,
    task: Annotated[str | None, typer.Option(help="Only this task's model.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="fp32, fp16, int8 or int8-static; repeatable.")
    ] = None,
    route: Annotated[str | None, typer.Option(help="torchscript or dynamo.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; default: the entry's own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Export a built entry to ONNX, checking each file against its model."""
    from zoo.cli import export as verb  # noqa: PLC0415

    told = verb.export(
        entry, task=task, precisions=precision or (), route=route, out=out, as_json=as_json
    )
    _print(told)


@app.command(hidden=True)
def stage(entry: str, name: str) -> None:
    """Run one pipeline stage; called by DVC."""
    from zoo.cli.call import call_warm  # noqa: PLC0415

    code = call_warm(("stage", entry, name))
    if code is not None:
        raise typer.Exit(code)
    from zoo.cli import stage as verb  # noqa: PLC0415

    verb.stage(entry, name)


@app.command(hidden=True)
def reproduce(stages: list[str]) -> None:
    """Bring stages up to date by DVC, in order and without their dependencies; called by `run`."""
    from zoo.cli import reproduce as verb  # noqa: PLC0415

    verb.reproduce(stages)
