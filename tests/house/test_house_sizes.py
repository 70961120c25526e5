"""The house numbers (DESIGN §7): files, functions, parameters, classes, and what is never used."""

import ast
import statistics
from collections.abc import Iterator

from source_tree import ROOT, Function, Module, functions, modules

FILE_LINES, FILE_LINES_HARD = 300, 400
FUNCTION_LINES_HARD = 50
PARAMETERS, CONSTRUCTOR_PARAMETERS, POSITIONAL = 7, 10, 2

# What may be larger than the rule, each with its reason.
LONG_FILES: dict[str, str] = {}
MANY_PARAMETERS = {"normalis.nn.pointwise._Subnet.forward": "autograd wants every tensor by itself"}
MANY_POSITIONAL: dict[str, str] = {}
CONCRETE_BASES = {"NormalisError": "an error tree is caught by its root and raised by its leaves"}
MUTABLE_STATE: dict[str, str] = {}

FORBIDDEN_IMPORTS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}


def code_lines(node: ast.AST) -> int:
    """Lines that hold code: no docstring, comment, blank line, signature or inner function."""
    body = getattr(node, "body", [])
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    inner = {
        line
        for statement in body
        for child in ast.walk(statement)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for line in range(child.lineno + 1, (child.end_lineno or child.lineno) + 1)
    }
    lines = {
        line
        for statement in body
        for child in ast.walk(statement)
        if isinstance(child, ast.stmt | ast.expr)
        for line in range(child.lineno, (child.end_lineno or child.lineno) + 1)
    }
    return len(lines - inner)


def every_function() -> Iterator[tuple[Module, Function]]:
    for module in modules():
        for function in functions(module.tree):
            yield module, function


def every_node() -> Iterator[tuple[Module, ast.AST]]:
    for module in modules():
        for node in ast.walk(module.tree):
            yield module, node


def where(module: Module, node: ast.AST) -> str:
    return f"{module.name}:{getattr(node, 'lineno', 0)}"


def parameters(function: Function) -> tuple[int, int]:
    """How many parameters there are, and how many of them may be given by position."""
    arguments = function.node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    decorators = {ast.unparse(decorator) for decorator in function.node.decorator_list}
    if function.is_method and "staticmethod" not in decorators:
        positional -= 1
    return positional + len(arguments.kwonlyargs), positional


# --- files and functions ---


def test_files_are_short() -> None:
    found = (path for top in ("src", "tests", "benchmarks") for path in (ROOT / top).rglob("*.py"))
    names = ((path, path.relative_to(ROOT).parts) for path in found)
    # Environments, as that of the peers, are hidden.
    paths = [path for path, parts in names if not any(part.startswith(".") for part in parts)]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}
    assert {name: n for name, n in lines.items() if n > FILE_LINES and name not in LONG_FILES} == {}
    assert {name: n for name, n in lines.items() if n > FILE_LINES_HARD} == {}
    assert [name for name in LONG_FILES if lines.get(name, 0) <= FILE_LINES] == []


def test_functions_are_short() -> None:
    lines = {
        f"{module.name}.{function.name}": code_lines(function.node)
        for module, function in every_function()
    }
    ordered = sorted(lines.values())
    assert statistics.median(ordered) < 8
    assert ordered[int(0.9 * len(ordered))] < 25
    assert {name: n for name, n in lines.items() if n > FUNCTION_LINES_HARD} == {}


def test_functions_take_few_parameters() -> None:
    """The commands' options are the user's surface and are counted by nobody but the user."""
    many: dict[str, int] = {}
    positional: dict[str, int] = {}
    for module, function in every_function():
        if module.part == "cli":
            continue
        name = f"{module.name}.{function.name}"
        count, by_position = parameters(function)
        is_constructor = function.node.name == "__init__"
        if count > (CONSTRUCTOR_PARAMETERS if is_constructor else PARAMETERS):
            many[name] = count
        # A private helper is called by its own file alone.
        is_private = any(
            part.startswith("_") and part != "__init__" for part in function.name.split(".")
        )
        if by_position > POSITIONAL and not is_private:
            positional[name] = by_position
    assert {name: n for name, n in many.items() if name not in MANY_PARAMETERS} == {}
    assert {name: n for name, n in positional.items() if name not in MANY_POSITIONAL} == {}
    assert set(MANY_PARAMETERS) <= set(many), "an exception that nobody needs: delete it"
    assert set(MANY_POSITIONAL) <= set(positional), "an exception that nobody needs: delete it"


def test_no_function_swallows_keywords() -> None:
    sinks = [where(m, f.node) for m, f in every_function() if f.node.args.kwarg is not None]
    assert sinks == []


# --- classes ---


def own_bases() -> dict[str, list[str]]:
    """Each own class and those of its bases that are our own."""
    classes = {
        node.name: [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
        for _, node in every_node()
        if isinstance(node, ast.ClassDef)
    }
    return {name: [base for base in bases if base in classes] for name, bases in classes.items()}


def abstract_classes() -> set[str]:
    return {
        node.name
        for _, node in every_node()
        if isinstance(node, ast.ClassDef)
        and {"ABC", "abc.ABC", "Protocol"} & {ast.unparse(b).split("[")[0] for b in node.bases}
    }


def test_a_class_is_abstract_or_final() -> None:
    bases = {base for found in own_bases().values() for base in found}
    assert bases - abstract_classes() - set(CONCRETE_BASES) == set()


def test_classes_are_at_most_two_deep_and_have_no_mixins() -> None:
    bases = own_bases()

    def depth(name: str) -> int:
        return 1 + max((depth(base) for base in bases[name]), default=0)

    assert {name for name in bases if depth(name) > 2} == set()
    assert {name for name, found in bases.items() if len(found) > 1} == set()
    assert {name for name in bases if name.lower().endswith("mixin")} == set()


# --- what is never used ---


def test_nothing_is_printed_outside_the_commands() -> None:
    found = [where(m, n) for m, n in every_node() if m.part != "cli" and is_call(n, {"print"})]
    assert found == []


def test_no_text_is_run_as_code() -> None:
    assert [where(m, n) for m, n in every_node() if is_call(n, {"eval", "exec", "compile"})] == []


def test_no_pickle() -> None:
    found: list[str] = []
    for module, node in every_node():
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if {name.split(".")[0] for name in names} & FORBIDDEN_IMPORTS:
                found.append(where(module, node))
        if isinstance(node, ast.keyword) and ast.unparse(node) == "allow_pickle=True":
            found.append(where(module, node.value))
    assert found == []


def test_torch_loads_weights_only() -> None:
    found = [
        where(module, node)
        for module, node in every_node()
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "torch.load"
        and "weights_only=True" not in [ast.unparse(keyword) for keyword in node.keywords]
    ]
    assert found == []


def test_modules_hold_no_mutable_state() -> None:
    containers = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    found: list[str] = []
    for module in modules():
        for node in module.tree.body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            made = is_call(node.value, {"dict", "list", "set", "defaultdict", "Counter", "deque"})
            if name == "__all__" or is_read_only(node):
                continue
            if isinstance(node.value, containers) or made:
                found.append(f"{module.name}.{name}")
    found += [where(m, n) for m, n in every_node() if isinstance(n, ast.Global)]
    assert [name for name in found if name not in MUTABLE_STATE] == []


def is_read_only(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether the type checker refuses to change it: it is declared a Mapping or a Sequence."""
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith(
        ("Mapping[", "Sequence[")
    )


def is_call(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
