"""File extensions by language. Extensions that other kinds of files also use are left out: `.inc`, `.m`, `.metal`."""

from __future__ import annotations

PYTHON = (".py", ".pyi", ".pyw")
JAVA = (".java",)
JAVASCRIPT = (".js", ".jsx", ".mjs", ".cjs", ".es6", ".es", ".jsm")
TYPESCRIPT = (".ts", ".mts", ".cts")
TSX = (".tsx",)
CPP = (
    *(".cpp", ".cc", ".cxx", ".c++", ".cp", ".c", ".hpp", ".hh", ".hxx", ".h++", ".hp", ".h"),
    *(".ipp", ".inl", ".tpp", ".txx", ".tcc"),  # bodies of templates
    *(".ixx", ".cppm", ".ccm", ".cxxm", ".c++m", ".mpp"),  # modules
    *(".cu", ".cuh", ".hip", ".ino"),  # dialects that the grammar can parse: CUDA, HIP, Arduino
)
