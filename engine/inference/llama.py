"""The only file that imports llama_cpp: the library itself, its errors, and what this build of it can do. Knows no model."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any, cast

import llama_cpp
import numpy as np
from llama_cpp import _ggml
from llama_cpp import llama_cpp as api
from llama_cpp.llama_grammar import json_schema_to_gbnf

__all__ = [
    "LlamaError",
    "api",
    "backend_name",
    "first_error",
    "forget_errors",
    "grammar_of_schema",
    "supports_gpu",
    "tensor_name",
    "tensor_row",
]

_ERROR_LEVEL = 4

_errors: list[str] = []


@api.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _user_data: object) -> None:
    """Keeps llama.cpp's errors, which are the only place where it says why a file does not load."""
    if level == _ERROR_LEVEL:
        line = text.decode("utf-8", "replace").strip()
        _errors.append(line)
        del _errors[:-20]
        sys.stderr.write(line + "\n")


api.llama_log_set(_on_log, ctypes.c_void_p(0))


def _ggml_function(name: str, result: object, *arguments: object) -> Callable[..., Any]:
    function = getattr(_ggml.libggml, name)
    function.restype, function.argtypes = result, arguments
    return cast("Callable[..., Any]", function)


_get_name = _ggml_function("ggml_get_name", ctypes.c_char_p, ctypes.c_void_p)
_num_bytes = _ggml_function("ggml_nbytes", ctypes.c_size_t, ctypes.c_void_p)
_get = _ggml_function(
    "ggml_backend_tensor_get", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t
)


def tensor_name(tensor: int) -> bytes:
    """Of a node of a graph, by its address."""
    return bytes(_get_name(tensor) or b"")


def tensor_row(tensor: int, row: int, length: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """A row of a computed tensor of float32 numbers, `length` a row, wherever it lies.

    Raises:
        LlamaError: it has no such row.
    """
    found, size = np.empty(length, np.float32), 4 * length
    if (row + 1) * size > _num_bytes(tensor):
        raise LlamaError(f"{tensor_name(tensor).decode()} has no row {row}")
    _get(tensor, found.ctypes.data, row * size, size)
    return found


class LlamaError(Exception):
    """llama.cpp refused; the text is its own first error."""


def forget_errors() -> None:
    """Before a call whose failure `first_error` is to explain."""
    _errors.clear()


def first_error(otherwise: str) -> str:
    """The first is the cause; what follows are the callers that give up."""
    return _errors[0].split(": ", 1)[-1] if _errors else otherwise


def supports_gpu() -> bool:
    """Whether this build of llama.cpp can offload layers and sees a device that takes them."""
    return bool(api.llama_supports_gpu_offload())


def build_name() -> str:
    """What tells this build of llama.cpp from others: its version, and what it was compiled for."""
    return f"{llama_cpp.__version__} {api.llama_print_system_info().decode()}"


def backend_name() -> str:
    """`CUDA`, `Metal`, `Vulkan`, ... or `CPU`, out of the build's own description."""
    described = api.llama_print_system_info().decode()
    names = [part.split(":")[0].strip() for part in described.split("|") if ":" in part]
    return next((name for name in names if name and name != "CPU"), "CPU") if supports_gpu() else "CPU"


def grammar_of_schema(schema: str) -> str:
    """GBNF for a JSON Schema given as text.

    Raises:
        ValueError: the schema uses something that has no grammar.
    """
    try:
        grammar = str(json_schema_to_gbnf(schema))
    except Exception as error:  # the converter raises whatever its recursion meets
        raise ValueError(f"{type(error).__name__}: {error}") from error
    # The converter lets raw control characters into strings, which JSON forbids.
    return grammar.replace(r'char ::= [^"\\]', r'char ::= [^"\\\x7F\x00-\x1F]')
