"""The program itself: help is quick, a mistake is one line, a trace is shown on demand."""

import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from cli_samples import run
from typer.testing import CliRunner

from normalis.cli.main import app
from normalis.errors import FitError

PROGRAM = [sys.executable, "-m", "normalis.cli.main"]
COMMANDS = ["fit", "score", "evaluate", "report", "info", "data", "cache", "demo"]


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_help_names_every_command_and_imports_nothing_slow() -> None:
    probe = (
        "import sys\nfrom normalis.cli.main import main\nsys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert done.code == 0\n"
        "slow = {'torch', 'numpy', 'PIL', 'matplotlib', 'jinja2', 'pydantic'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "data check"])
def test_every_command_explains_itself(command: str) -> None:
    assert any("Usage: " in line for line in run(*command.split(), "--help"))


def test_version() -> None:
    assert run("--version") == [f"normalis {version('normalis')}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere", "--out", "model"], "error: nowhere: the folder cannot be read"),
        (["fit", ".", "--out", "m", "--preset", "vqflw"], "did you mean 'vqflow'?"),
        (["fit", ".", "--out", "m", "--set", "training.epoch=3"], "'training.epochs'"),
        (
            [*("fit", ".", "--out", "m", "--set", "training.seed=1", "training.epoch=3")],
            "'training.epochs'",
        ),
        (["fit", "--set", "preset=flow", "training.seed=1", "day=1", "--out", "m"], "day=1: the"),
        (["fit", "--out", "m", "--set", "training.seed=1", "--", "a.b=1"], "error: a.b=1: the"),
        (["fit", ".", "--out", "m", "--recipe", "no.toml"], "error: no.toml: cannot be read"),
        (["fit", ".", "--out", "m", "--size", "big"], "error: --size big: "),
        (["fit", ".", "--out", "m", "--shape", "round"], "preparation.fit"),
        (["fit", ".", "--out", "m", "--far", "2"], "far"),
        (["score", "nowhere", "no.png", "--out", "out"], "error: nowhere: not a normalis model"),
        (["evaluate", "nowhere", "."], "error: nowhere: not a normalis model"),
        (["report", "nowhere", "--out", "site"], "error: nowhere: not a normalis result"),
        (["info", "nowhere"], "error: nowhere: not a normalis model"),
        (["data", "check", "."], "error: "),
        (["data", "check", ".", "--layout", "mvtek"], "mvtek"),
        (["cache", "clear", "--yes", "--key", "abc"], "no store abc"),
        (["demo"], "error: examples/pictures: not found here"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = run(*arguments, fails=2)
    assert message in lines[-1]
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_real_process(tmp_path: Path) -> None:
    done = process("info", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'nowhere'}: not a normalis model")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_shows_the_trace_wherever_it_stands(place: int) -> None:
    arguments = ["info", "nowhere"]
    arguments.insert(place, "--debug")
    done = process(*arguments)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "BundleError: nowhere: not a normalis model" in done.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FitError("one\n  line"), "error: one line"),
        (FitError("caf\udce9.png: bad"), "error: caf\\udce9.png: bad"),
        (OSError(28, "No space left on device", "out/a.csv"), "error: out/a.csv: No space left"),
        (OSError(28, "No space left on device"), "error: No space left on device. Make room"),
        (OSError(20, "Not a directory", "a/b"), "error: a/b: Not a directory. Part of this path"),
        (OSError(5, "Input/output error", "a"), "error: a: Input/output error."),
        (OSError("strange"), "error: strange"),
    ],
)
def test_any_error_is_one_line(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: object) -> None:
        raise error

    monkeypatch.setattr(import_module("normalis.api.load"), "describe", fail)
    (line,) = run("info", "model", fails=2)
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["fit", "data", "--out", "model"], "; run again with --resume"),
        (["benchmark", "smoke", "--out", "runs"], "; run again: finished runs are kept"),
        (["info", "model"], ""),
    ],
)
def test_an_interruption_says_how_to_go_on(
    arguments: list[str], hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("normalis.api.load"), "describe", interrupt)
    monkeypatch.setattr(import_module("normalis.api.fit"), "fit", interrupt)
    monkeypatch.setattr(import_module("normalis.api.benchmark"), "benchmark", interrupt)
    assert run(*arguments, fails=130) == [f"interrupted{hint}"]


def test_our_own_mistakes_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(import_module("normalis.api.load"), "describe", fail)
    assert isinstance(CliRunner().invoke(app, ["info", "model"]).exception, ZeroDivisionError)


@pytest.mark.skipif(os.name == "nt", reason="pipes differ there")
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = [*PROGRAM, "cache", "list", "--cache", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert b"rror" not in running.stderr.read()
