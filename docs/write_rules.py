"""Write docs/rules.md from the table of rules: `python docs/write_rules.py`."""

from pathlib import Path

from dlkit.diagnosis.rule import STAGES
from dlkit.diagnosis.table import RULES

PAGE = Path(__file__).with_name("rules.md")
HEAD = """# Rules

What `dlkit inspect run` and `dlkit inspect history` look for, in the order in which causes are looked for. Generated
from the code by `python docs/write_rules.py`; `dlkit inspect rules` prints the same table. [Diagnosis](diagnosis.md)
says how the findings are read.
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for stage in STAGES:
        rules = [rule for rule in RULES if rule.stage == stage]
        lines = [f"## {stage[0].upper()}{stage[1:]}", ""]
        for rule in rules:
            lines += [
                f"### {rule.name}: {rule.title}",
                "",
                f"- found when {rule.condition}",
                f"- threshold: {rule.threshold:g}",
                f"- healthy runs: {rule.healthy}",
                f"- reads {', '.join(f'`{signal}`' for signal in rule.signals)}",
                f"- cure: {rule.cure}",
                f"- source: {rule.source}",
                "",
            ]
        parts.append("\n".join(lines))
    return "\n".join(part.rstrip() + "\n" for part in parts)


if __name__ == "__main__":
    PAGE.write_text(page())
