"""Writes the reference pages from the program itself: `python -m docs.reference`.

`cli.md` comes from the commands, `http-routes.md` and `http-types.md` from openapi.json. They are
kept in the repository, to be read there; a test holds them to what this module would write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from blipsearch.cli import app
from blipsearch.edge import ExitCode
from blipsearch.settings import Settings

__all__ = ["Command", "commands", "pages"]

HERE = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  # it writes Markdown
)
EXIT_CODES = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "an error, in one line on stderr",
    ExitCode.USAGE: "the command line cannot be understood",
    ExitCode.SOME_IMAGES_FAILED: "done, but some images could not be indexed",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
}


FILTER_TYPES = {"And", "Or", "Not", "Compare", "Between", "Glob", "Has", "Near", "Place"}
"""What a filter's JSON form is made of: filters.md tells of it in its own way."""


@dataclass(frozen=True)
class Flag:
    """One argument or option of a command: how it is written, and what it does."""

    written: str
    help: str


@dataclass(frozen=True)
class Command:
    """One command as its help shows it."""

    name: str
    help: str
    arguments: tuple[Flag, ...]
    options: tuple[Flag, ...]


def commands() -> Iterator[Command]:
    """All commands in the order of `blipsearch --help`, those of a group one by one."""
    root = typer.main.get_command(app)
    if isinstance(root, TyperGroup):
        yield from _commands(root, "blipsearch")


def pages() -> dict[str, str]:
    """The text of each page that is written from the program, by the name of its file."""
    return {"cli.md": _cli(), "http-routes.md": _http_routes(), "http-types.md": _http_types()}


def _cli() -> str:
    defaults = {name: field.get_default() for name, field in Settings.model_fields.items()}
    defaults["library"] = "~/.local/share/blipsearch"
    return TEMPLATES.get_template("cli.md").render(
        commands=list(commands()),
        exit_codes=[(code.value, EXIT_CODES[code]) for code in ExitCode],
        variables=[(name.upper(), _default(value)) for name, value in defaults.items()],
    )


def _http_routes() -> str:
    described = _described()
    operations = [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    meanings = {
        status: answer["description"]
        for _, _, operation in operations
        for status, answer in sorted(operation["responses"].items())
        if status >= "400" and "ErrorResponse" in _content(answer)
    }
    routes = [_route(*one) for one in operations]
    return TEMPLATES.get_template("http-routes.md").render(
        tags=[
            (tag["name"], tag["description"], [one for one in routes if one["tag"] == tag["name"]])
            for tag in described["tags"]
        ],
        errors=sorted(meanings.items()),
    )


def _http_types() -> str:
    schemas: dict[str, Any] = _described()["components"]["schemas"]
    return TEMPLATES.get_template("http-types.md").render(
        types=[
            (name, _paragraph(schema), _fields(schema))
            for name, schema in schemas.items()
            if name not in FILTER_TYPES
        ]
    )


def _described() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE.parent / "openapi.json").read_text("utf-8"))
    return document


def _commands(group: TyperGroup, path: str) -> Iterator[Command]:
    for name in group.list_commands(None):  # type: ignore[arg-type]  # it needs no context
        command = group.get_command(None, name)  # type: ignore[arg-type]
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{path} {name}")
        elif isinstance(command, TyperCommand):
            yield _command(command, f"{path} {name}")


def _command(command: TyperCommand, path: str) -> Command:
    arguments = [one for one in command.params if isinstance(one, TyperArgument)]
    options = [one for one in command.params if isinstance(one, TyperOption)]
    return Command(
        name=" ".join([path, *(_argument(one) for one in arguments)]),
        help=_one_line((command.help or "").split("\f")[0]),
        arguments=tuple(Flag(_argument(one), _cell(one.help or "")) for one in arguments),
        options=tuple(Flag(_written(one), _help(one)) for one in options if not one.hidden),
    )


def _argument(argument: TyperArgument) -> str:
    name = argument.metavar or str(argument.name).upper()
    name = f"{name}..." if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _written(option: TyperOption) -> str:
    names = sorted([*option.opts, *option.secondary_opts], key=lambda name: name.startswith("--"))
    if option.is_flag:
        return ", ".join(f"`{name}`" for name in names)
    return ", ".join(f"`{name} {option.metavar or _value(option)}`" for name in names)


def _value(option: TyperOption) -> str:
    """How an option's value is called where the option itself does not say."""
    annotation: Any = option.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return "\\|".join(get_args(annotation))
    return {int: "N", float: "NUMBER", Path: "PATH"}.get(annotation, "TEXT")


def _help(option: TyperOption) -> str:
    text = _cell(option.help or "")
    if option.required:
        return f"{text} Required."
    if option.show_default and not option.is_flag and option.default not in (None, ()):
        return f"{text} Default: `{option.default}`."
    return text


def _route(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = operation["responses"]
    parameters = [one for one in operation.get("parameters", ()) if one["in"] != "path"]
    bodies = operation.get("requestBody", {}).get("content", {})
    return {
        "tag": operation["tags"][0],
        "name": f"{method.upper()} {path}",
        "description": _paragraph(operation),
        "parameters": [
            (one["name"], one["in"], _type(one["schema"]), _cell(one.get("description", "")))
            for one in parameters
        ],
        "bodies": [(kind, _type(body["schema"])) for kind, body in bodies.items()],
        "answers": [
            (status, _content(answer) or ("the bytes" if status == "200" else "nothing"))
            for status, answer in answers.items()
            if status < "400"
        ],
    }


def _content(answer: Mapping[str, Any]) -> str:
    content = answer.get("content", {})
    shown = [
        f"{_type(body['schema'])} as `{kind}`" if "$ref" in body.get("schema", {}) else f"`{kind}`"
        for kind, body in content.items()
    ]
    return ", ".join(shown)


def _fields(schema: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    required = schema.get("required", ())
    return [
        (name, _type(field), "required" if name in required else _default(field.get("default")))
        for name, field in schema.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    """Say in a few words what a JSON schema lets through."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name in FILTER_TYPES:
            return "[filter](filters.md)"
        return f"[{name}](http-types.md#{name.lower()})"
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        words = [_type(one) for one in alternatives if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(words))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    word = {"string": "text", "object": "object", "boolean": "true or false"}.get(
        schema.get("type", ""), schema.get("type", "anything")
    )
    word = "base64" if schema.get("contentEncoding") == "base64" else word
    return f"{word}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if low is not None and high is not None:
        most = "2⁶³ - 1" if high == 2**63 - 1 else f"{high:g}"
        return f", {'above ' if 'exclusiveMinimum' in schema else ''}{low:g} to {most}"
    return f", at most {schema['maxLength']:,}" if "maxLength" in schema else ""


def _default(value: object) -> str:
    if value is None or value == []:
        return ""
    shown = json.dumps(value) if isinstance(value, bool | str | int | float) else str(value)
    return f"`{shown.strip(chr(34))}`" if shown.strip('"') else ""


def _paragraph(described: Mapping[str, Any]) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", str(described.get("description", ""))).strip()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    """Text as a table's cell holds it."""
    return _one_line(text).replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
