"""Signatures of TensorRT's Python API: of typings/tensorrt, and of the real bindings.

The bindings are a pip package without the libraries that they need. Only nine functions of those
are linked to, so a library of stubs (compiled with gcc) is enough to import the bindings and read
the docstrings, in which pybind11 writes every signature. As a program, this prints them as JSON.
"""

import ast
import json
import re
import subprocess
from pathlib import Path

STUB = Path(__file__).parents[1] / "typings" / "tensorrt" / "__init__.pyi"
LINKED = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry", "getNvOnnxParserVersion", "getPluginRegistry",
    "initLibNvInferPlugins",
)  # fmt: skip
LIBRARIES = ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin")
SAME = {
    "SupportsInt": "int", "buffer": "Buffer", "IParserError": "ParserError", "Dims": "Sequence",
    "tuple": "tuple", "List": "list", "NoneType": "None",
}  # fmt: skip


def own_api() -> dict[str, dict]:
    """Classes of the stub: enum members, methods with parameters, properties."""
    tree = ast.parse(STUB.read_text())
    return {node.name: _class_api(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _class_api(node: ast.ClassDef) -> dict:
    api: dict = {"members": [], "methods": {}, "properties": {}, "classes": {}}
    for item in node.body:
        if isinstance(item, ast.Assign):
            api["members"].append(item.targets[0].id)
        elif isinstance(item, ast.AnnAssign):
            api["properties"][item.target.id] = _type(ast.unparse(item.annotation))
        elif isinstance(item, ast.ClassDef):
            api["classes"][item.name] = _class_api(item)
        elif isinstance(item, ast.FunctionDef):
            if any(ast.unparse(d) == "property" for d in item.decorator_list):
                api["properties"][item.name] = _type(ast.unparse(item.returns))
            else:
                api["methods"][item.name] = _own_method(item)
    return api


def _own_method(item: ast.FunctionDef) -> dict:
    arguments = item.args.args[1:]
    first_default = len(arguments) - len(item.args.defaults)
    return {
        "parameters": [
            [a.arg, _type(ast.unparse(a.annotation)), place >= first_default]
            for place, a in enumerate(arguments)
        ],
        "returns": _type(ast.unparse(item.returns)),
    }


def _type(text: str) -> str:
    """The last word of a type, without None beside it, by the name that the stub uses."""
    plain = re.sub(r"\s*\|\s*None$", "", text.strip())
    word = re.split(r"[.:]+", re.sub(r"\[.*\]$", "", plain))[-1].strip()
    return SAME.get(word, word)


def real_methods(docstring: str) -> list[dict]:
    """Every overload in a docstring of pybind11."""
    found = []
    for line in docstring.splitlines():
        match = re.match(r"^(?:\d+\. )?(\w+)\((.*)\) -> (.+)$", line.strip())
        if match and "*args" not in match.group(2):
            parameters = []
            for part in re.split(r", (?=\w+:)", match.group(2))[1:]:
                name, _, kind = part.partition(": ")
                kind, default, _ = kind.partition(" = ")
                parameters.append([name, _type(kind), bool(default)])
            found.append({"parameters": parameters, "returns": _type(match.group(3))})
    return found


def compile_stubs(folder: Path, major: str) -> None:
    """Makes libraries with the functions that the bindings link to, which do nothing."""
    source = folder / "stubs.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in LINKED))
    for library in LIBRARIES:
        name = f"{library}.so.{major}"
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name, source]
        subprocess.run(command, check=True)


def _real_class(thing: type) -> dict:
    api: dict = {"members": sorted(getattr(thing, "__members__", {})), "methods": {}}
    api["properties"], api["classes"] = {}, {}
    for name in dir(thing):
        item = getattr(thing, name)
        if isinstance(item, property):
            kind = re.search(r"-> (.+)$", (item.fget.__doc__ or "").strip().split("\n")[0])
            api["properties"][name] = [_type(kind.group(1)) if kind else "", bool(item.fset)]
        elif isinstance(item, type) and name == "Severity":
            api["classes"][name] = _real_class(item)
        elif callable(item) and (overloads := real_methods(item.__doc__ or "")):
            api["methods"][name] = overloads
    return api


def no_builder() -> str:
    """What the bindings raise where the library makes no builder, as without a GPU."""
    import tensorrt_bindings

    try:
        tensorrt_bindings.Builder(tensorrt_bindings.Logger())
    except Exception as error:
        return type(error).__name__
    return "nothing"


if __name__ == "__main__":
    import tensorrt_bindings

    real = {name: _real_class(getattr(tensorrt_bindings, name)) for name in own_api()}
    answer = {"version": tensorrt_bindings.__version__, "api": real, "no_builder": no_builder()}
    print(json.dumps(answer))
