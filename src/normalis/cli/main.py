"""The program `normalis`: its commands, and what a user sees of an error."""

import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Annotated, Any, final

import typer
from typer.core import TyperGroup

from normalis.cli.benchmark import benchmark
from normalis.cli.cache import cache
from normalis.cli.data import data
from normalis.cli.demo import demo
from normalis.cli.evaluate import evaluate
from normalis.cli.export import export
from normalis.cli.fit import fit
from normalis.cli.info import info
from normalis.cli.report import report
from normalis.cli.score import score
from normalis.cli.sensitivity import sensitivity
from normalis.cli.text import tell
from normalis.cli.volumes import volumes
from normalis.errors import NormalisError

__all__ = ["app", "main"]

_DEBUG, _SET = "--debug", "--set"
_SETTING = re.compile(r"(preset|[a-z]\w*(\.\w+)+)=")
_TRAINING = ("torch", "timm", "safetensors", "huggingface_hub")
_HINTS: Mapping[str, str] = {
    "fit": "; run again with --resume",
    "benchmark": "; run again: finished runs are kept",
}
_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: " Make room there, and run it again.",
    errno.EACCES: " Choose a place that you may read and write.",
    errno.EPERM: " Choose a place that you may read and write.",
    errno.EROFS: " Choose a place that you may read and write.",
    errno.EEXIST: " It is no folder; choose another name.",
    errno.ENOTDIR: " Part of this path is a file; choose another.",
}


@final
class _Program(TyperGroup):
    """All commands: a user's mistake is one line and exit code 2, an interruption 130."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (typer's own type)
        """`--debug` is understood at any place, and one `--set` before several settings."""
        debug = [_DEBUG] if _DEBUG in args else []
        return super().parse_args(ctx, [*debug, *_each_set(arg for arg in args if arg != _DEBUG)])

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run a command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `normalis ... | head` is nobody's mistake; typer ends quietly
            raise
        except (NormalisError, OSError) as error:
            if ctx.params["debug"]:
                raise
            tell(f"error: {_sentence(error)}", err=True)
            raise typer.Exit(2) from error
        except ModuleNotFoundError as error:
            if ctx.params["debug"] or error.name not in _TRAINING:
                raise
            tell(
                f"error: This needs {error.name}, which is not installed: "
                "pip install 'normalis[train]'.",
                err=True,
            )
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            typer.echo(f"interrupted{_HINTS.get(ctx.invoked_subcommand, '')}", err=True)
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=_Program,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (fit, score, evaluate, report, benchmark, sensitivity, info, export, cache, demo):
    app.command()(_command)
app.add_typer(data, name="data")
app.add_typer(volumes, name="volumes")


def main() -> None:
    """Run the program with the process's arguments."""
    app(prog_name="normalis")


def _show_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"normalis {version('normalis')}")
        raise typer.Exit
    return wanted


@app.callback()
def _program(
    debug: Annotated[
        bool, typer.Option(_DEBUG, help="Show the trace of an error, for a bug report.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show which.")
    ] = False,
) -> None:
    """Visual anomaly detection: one model for every product, learned from good pictures only."""


def _each_set(args: Iterable[str]) -> Iterator[str]:
    """`--set A.B=1 C.D=2` as `--set A.B=1 --set C.D=2`, which is what typer understands.

    A setting but the preset has a dot before its equals sign, which few folders' names have.
    """
    before, is_more = "", False
    for arg in args:
        is_more = before == _SET or (is_more and _SETTING.match(arg) is not None)
        if is_more and before != _SET:
            yield _SET
        yield arg
        before = arg


def _sentence(error: Exception) -> str:
    """An error in one line; a foreign one with the file it is about."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}.{_REMEDIES.get(error.errno or 0, '')}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
