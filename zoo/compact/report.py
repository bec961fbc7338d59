"""The masks of a training as a table: what was pruned when, by which norms, and at what cost."""

from torch import Tensor
from transformers import PreTrainedModel

from zoo.compact.ledger import MEASURES
from zoo.compact.schedule import Schedule
from zoo.compact.selection import column_norms
from zoo.compact.trainee import final_masks, ledger_of

ReportTable = dict[str, list[float | int | str]]
REPORT_COLUMNS = ("event", "step", "group", "layer", "size", *MEASURES, "norms", "columns")


def table(trainee: PreTrainedModel, schedule: Schedule) -> ReportTable:
    """One row for every noted update and group, then one for what merging cuts of each group.

    `layer` is -1 for groups of the whole model; `norms` and `columns` stand in rows of H only.
    """
    ledger = ledger_of(trainee)
    found: ReportTable = {name: [] for name in REPORT_COLUMNS}
    noted = int((ledger.steps > 0).sum())
    for row in range(noted):
        beside = _text(ledger.norms[row], ledger.columns[row])
        _add(found, trainee, ("update", int(ledger.steps[row])), ledger.measures[row], beside)
    masks, hidden = final_masks(trainee, schedule), ledger.groups[0]
    beside = _text(column_norms(trainee.get_parameter(hidden.measured)), masks[hidden.key])
    _add(found, trainee, ("merge", int(ledger.step)), ledger.measured(trainee, masks), beside)
    return found


def _add(
    found: ReportTable,
    trainee: PreTrainedModel,
    event: tuple[str, int],
    measures: Tensor,
    beside: tuple[str, str],
) -> None:
    for index, group in enumerate(ledger_of(trainee).groups):
        layer = -1 if group.layer is None else group.layer
        count, *values = measures[index].tolist()
        size = len(trainee.get_parameter(group.measured))
        texts = beside if index == 0 else ("", "")
        row = (*event, group.name, layer, size, int(count), *values, *texts)
        for name, value in zip(REPORT_COLUMNS, row, strict=True):
            found[name].append(value)


def _text(norms: Tensor, columns: Tensor) -> tuple[str, str]:
    """Norms with four digits, and 1 for every column that is kept."""
    kept = "".join("1" if column else "0" for column in columns.tolist())
    return " ".join(f"{norm:.4g}" for norm in norms.tolist()), kept
