"""dlkit inspect rules: the table of rules."""

from dlkit.cli import console
from dlkit.diagnosis.table import COLUMNS, RULES


def rules() -> None:
    """List the rules: what each one reads, its threshold, its source, and the cure."""
    rows = [rule.to_row() for rule in RULES]
    console.print_table(COLUMNS, [[row[column] for column in COLUMNS] for row in rows])
