"""What messages tell people to type exists: every command in a text of the code is read by the real parser."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.exceptions import TyperException

import dlkit
from dlkit.cli import aliases
from dlkit.cli.app import build_app
from dlkit.errors import DlkitError

ROOT = Path(dlkit.__file__).parent
TOP = typer.main.get_command(build_app())
GROUPS = {name: command.commands for name, command in TOP.commands.items() if hasattr(command, "commands")}
LEAVES = {
    **{(name,): command for name, command in TOP.commands.items() if name not in GROUPS},
    **{(group, name): command for group, commands in GROUPS.items() for name, command in commands.items()},
}
OPTIONS = {
    name
    for command in (TOP, *LEAVES.values())
    for param in command.params
    for name in (*param.opts, *param.secondary_opts)
} | {"--help", "--install-completion", "--show-completion"}
OTHERS = {"--no-1", "--logdir"}  # filled in, and of TensorBoard
SENTENCES = {
    "never",
    "knows",
    "makes",
    "reads",
    "does",
    "wrote",
    "itself",
    "saves",
    "takes",
    "has",
    "of",
    "is",
}
"""What may follow the name where no command is meant."""
NEEDS_ONE_OF = {("train",): {"--resume", "--config", "--list", "--join"}}
"""MODEL may be left out beside one of these alone."""


def texts_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and content of every text that is no docstring; what an f-string fills in is 1."""
    nodes = list(ast.walk(tree))
    docs = {
        id(node.value)
        for owner in nodes
        if isinstance(owner, ast.Module | ast.ClassDef | ast.FunctionDef)
        for node in owner.body
        if isinstance(node, ast.Expr)
    }
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    passed_over = docs | inside
    for node in nodes:
        if isinstance(node, ast.JoinedStr) and id(node) not in docs:
            parts = [str(part.value) if isinstance(part, ast.Constant) else "1" for part in node.values]
            yield node.lineno, re.sub(r"1(?=--)", "1 ", "".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
            yield node.lineno, node.value


@functools.cache
def texts() -> list[tuple[str, str]]:
    """Return place and content of every text of the code, of files that name a command or an option."""
    return [
        (f"{file.relative_to(ROOT)}:{line}", text)
        for file in sorted(ROOT.rglob("*.py"))
        if re.search(r"dlkit [a-z]|--[a-z]", source := file.read_text())
        for line, text in texts_in(ast.parse(source))
    ]


def commands() -> list[tuple[str, str]]:
    """Return place and content of every command in a text."""
    return [
        (place, match[1])
        for place, text in texts()
        for match in re.finditer(
            r"(?<![\w/.-])dlkit ([a-z-][^\n]*?)(?=$|\n|; |\. |, dlkit|: |`|, or dlkit)", text
        )
        if match[1].split()[0] not in SENTENCES
    ]


def parsed(text: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the words that call a command, and those up to where a sentence goes on."""
    words = [word.strip("`'\"()").rstrip(",.") for word in text.split()]
    path = tuple(words[: 2 if words[0] in GROUPS else 1])
    command = LEAVES.get(path)
    if command is None:
        return path, []
    takes_value = {
        name: not param.is_flag for param in command.params for name in param.opts if name.startswith("-")
    }
    free = sum(
        2 if param.nargs == -1 else 1 for param in command.params if param.param_type_name == "argument"
    )
    found, rest = [], words[len(path) :]
    while rest:
        word = rest.pop(0)
        if word.startswith("-") and word != "-":
            found.append(word)
            if takes_value.get(word) and rest and "=" not in word:
                found.append(rest.pop(0))
        elif free and (not word.isalpha() or word.isupper() or word in ("mlp", "mnist", "digits")):
            found.append(word)
            free -= 1
        else:
            break
    return path, found


def fault_of(text: str) -> str:
    """Return what the parser says against a command; empty where nothing."""
    path, words = parsed(text)
    if path not in LEAVES:
        return "no such command"
    if not words:  # a sentence about the command
        return ""
    try:
        context = LEAVES[path].make_context(" ".join(path), list(words))
    except (TyperException, DlkitError) as err:
        return str(err)
    missing = path in NEEDS_ONE_OF and not context.params["model"] and not NEEDS_ONE_OF[path] & set(words)
    return "names no network" if missing else ""


def test_every_command_in_a_text_is_read_by_the_parser() -> None:
    faults = {
        f"{place}: dlkit {text}": fault
        for place, text in commands()
        if text.split()[0] not in ("--version", "--help") and (fault := fault_of(text))
    }

    assert faults == {}


def test_every_option_in_a_text_is_one_of_a_command() -> None:
    unknown = {
        f"{place} {name}"
        for place, text in texts()
        if not place.startswith(("cli/aliases.py", "plotting/report/"))  # foreign words, and variables of CSS
        for name in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text)
        if name not in OPTIONS | OTHERS
    }

    assert unknown == set()


def test_commands_are_found_where_they_are_wrong() -> None:
    assert parsed("eval RUN --worst 20 shows them") == (("eval",), ["RUN", "--worst", "20"])
    assert parsed("inspect nan takes a run that ended with exit code 5") == (("inspect", "nan"), [])
    assert parsed("evaluate RUN")[0] not in LEAVES
    assert len(commands()) > 60


def test_answers_to_foreign_words_are_among_the_texts() -> None:
    assert {*aliases.COMMANDS.values(), *aliases.SENTENCES.values()} <= {text for _, text in texts()}
