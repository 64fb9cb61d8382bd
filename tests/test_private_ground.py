"""Private parts of libraries are used in files named for them, and nowhere else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.repository import ROOT

OWN = {
    *("ldm", "search_spaces", "evaluation", "orchestration", "pancreatune"),
    *("tune", "tests", "benchmarks"),
}
CODE = [*sorted(OWN - {"tune"}), "tune.py"]
# These libraries mark nothing as private: all of their modules but the documented ones are.
DOCUMENTED = {
    "nnunetv2": ["nnunetv2.inference.predict_from_raw_data"],
    "totalsegmentator": ["totalsegmentator.python_api"],
}

NAMED_IN_TEXTS = {"matplotlib", "mlflow", "monai", "optuna", "ray", "torch", *DOCUMENTED}


def private_uses(source: str) -> list[str]:
    """Each use of a library's private parts in one module, as "line: name"."""
    tree = ast.parse(source)
    libraries = dict(_imported(tree))
    found = [
        *_private_imports(tree),
        *_private_attributes(tree, libraries),
        *_private_of_bases(tree, libraries),
        *_internal_names(tree),
    ]
    return [f"{line}: {name}" for line, name in sorted(found)]


def _is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def _is_foreign(module: str) -> bool:
    first = module.partition(".")[0]
    return bool(first) and first not in OWN and first not in sys.stdlib_module_names


def _imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """The line, the full name and the local name of all that is imported from libraries."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                yield node.lineno, alias.name, local
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}", alias.asname or alias.name


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for _, name, local in _imports(tree):
        if _is_foreign(name):
            yield local, name


def _private_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for line, name, _ in _imports(tree):
        known = DOCUMENTED.get(name.partition(".")[0])
        is_inner = known is not None and not any(f"{name}.".startswith(f"{m}.") for m in known)
        if _is_foreign(name) and (is_inner or any(map(_is_private, name.split(".")))):
            yield line, name


def _root(node: ast.AST) -> ast.AST:
    """What a chain of attributes, calls and indices begins with."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def _private_attributes(tree: ast.AST, libraries: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            root = _root(node)
            if isinstance(root, ast.Name) and root.id in libraries:
                yield node.lineno, ast.unparse(node)


def _private_of_bases(tree: ast.AST, libraries: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Private names that a class has of a base that is a library's: read, or overridden."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        roots = [_root(base) for base in node.bases]
        if any(isinstance(root, ast.Name) and root.id in libraries for root in roots):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            defined = {method.name for method in methods if _is_private(method.name)}
            own = [
                part
                for part in ast.walk(node)
                if isinstance(part, ast.Attribute)
                and isinstance(part.value, ast.Name)
                and part.value.id in ("self", "cls")
                and _is_private(part.attr)
            ]
            stored = {part.attr for part in own if isinstance(part.ctx, ast.Store)}
            read = {part.attr for part in own if isinstance(part.ctx, ast.Load)}
            for name in sorted((read - stored - defined) | (defined - read)):
                yield node.lineno, f"{node.name}.{name}"


def _internal_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Texts that name a private module or an internal resource."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value.split(".")
            is_path = words[0] in NAMED_IN_TEXTS and all(word.isidentifier() for word in words)
            is_private = is_path and any(map(_is_private, words))
            if is_private or node.value.startswith("node:__internal"):
                yield node.lineno, node.value


def _files() -> list[Path]:
    paths = [ROOT / name for name in CODE]
    return sorted(f for path in paths for f in ([path] if path.is_file() else path.rglob("*.py")))


def test_private_parts_of_libraries_are_used_in_files_named_for_them():
    found = [
        f"{path.relative_to(ROOT)}:{use}"
        for path in _files()
        if "private_" not in path.name
        for use in private_uses(path.read_text(encoding="utf-8"))
    ]
    assert not found, "move it into a file private_LIBRARY.py, with a reason and a test: " + str(
        found
    )


@pytest.mark.parametrize("path", [p for p in _files() if p.name.startswith("private_")], ids=str)
def test_a_file_of_private_parts_has_a_test_of_its_own(path):
    area = path.relative_to(ROOT).parts[0]
    assert area == "tests" or (ROOT / "tests" / area / f"test_{path.name}").is_file()


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("from ray._private import services", "1: ray._private.services"),
        ("import torch._dynamo", "1: torch._dynamo"),
        ("from torch.nn.modules.batchnorm import _BatchNorm", None),
        ("import torch\ntorch.cpu._is_avx2_supported()", "2: torch.cpu._is_avx2_supported"),
        ("import ray\nray.get(x)._value", "2: ray.get(x)._value"),
        ("from torch import nn\nclass A(nn.Conv3d):\n def _conv_forward(self): 1", "2: A."),
        ("from torch import nn\nclass A(nn.Conv3d):\n def f(self): self._hooks", "2: A._hooks"),
        ("from nnunetv2.inference.export_prediction import x", "1: nnunetv2.inference.export"),
        ("logging.getLogger('ray._private.authentication')", "1: ray._private.authentication"),
        ("resources = {'node:__internal_head__': 0.1}", "1: node:__internal_head__"),
    ],
)
def test_a_private_use_is_seen(source, use):
    (found,) = private_uses(source)
    assert found.startswith(use or "1: ")


@pytest.mark.parametrize(
    "source",
    [
        "from ldm._x import y",
        "import os\nos._exit(1)",
        "import torch\ntorch.__version__",
        "from torch import nn\nclass A(nn.Module):\n def f(self): self._g()\n def _g(self): 1",
        "from torch import nn\nclass A(nn.Module):\n def f(self): self._n = 1; self._n",
        "from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor",
        "name = 'ray.data'",
    ],
)
def test_what_is_public_or_our_own_is_not(source):
    assert private_uses(source) == []
