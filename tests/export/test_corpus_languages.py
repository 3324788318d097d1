"""The corpus beyond Python: documentation comments as plain text, C++ declarations, interrupted builds, registries."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow.parquet
import pytest

from sprig_export import corpus
from sprig_export.corpus import registries
from sprig_export.corpus.build import build
from sprig_export.corpus.declarations import definition_key, documented_declarations
from sprig_export.corpus.deduplicate import excluded, never_train
from sprig_export.corpus.markup import plain_documentation
from sprig_export.corpus.packages import SUFFIXES, Fetched, fetch, read_sources
from sprig_export.corpus.pairs import first_sentence
from sprig_server.code.functions import parse_functions
from sprig_server.errors import InvalidInput


@pytest.mark.parametrize(
    ("language", "documentation", "sentence"),
    [
        (
            "java",
            "Returns the {@code size} of this {@link java.util.List#size() list}.",
            "Returns the size of this list.",
        ),
        ("java", "Adds to {@link java.util.List#add(Object)}.\n@param x it", "Adds to List.add."),
        ("java", "<p>Opens the file.</p>\n<ul><li>slowly</li></ul>", "Opens the file."),
        ("java", "Compares a &lt; b for all values.", "Compares a < b for all values."),
        ("java", "@return the number of open files", "Returns the number of open files"),
        ("java", "@param x the value\n@return true if all is well", "Returns true if all is well"),
        ("java", "@return {@code null}", "Returns null"),
        ("javascript", "@description Draws the circle.\n@param {number} r", "Draws the circle."),
        ("javascript", "@function draw\n@memberof Canvas\nDraws the circle.", "Draws the circle."),
        ("javascript", "@returns {number} The radius of the circle.", "Returns the radius of the circle."),
        ("cpp", "\\brief Compute the norm of \\a v.\n\n\\param v a vector", "Compute the norm of v."),
        ("cpp", "@brief Compute the norm.\n@return it", "Compute the norm."),
        (
            "cpp",
            "\\fn int QString::size() const\nReturns the size, see \\l{QString}{the string}.",
            "Returns the size, see the string.",
        ),
        ("cpp", "\\overload\n\nInserts \\c value at position \\e i.", "Inserts value at position i."),
        ("python", "Return {@code x} as it is.", "Return {@code x} as it is."),
    ],
)
def test_documentation_comments_lose_their_markup(language: str, documentation: str, sentence: str) -> None:
    assert first_sentence(plain_documentation(documentation, language)) == sentence


HEADER = """
namespace geo {
class Shape {
 public:
  /// Computes the area of the shape in square metres.
  double area(double scale, bool exact = true) const;
  void move(int x, int y);  ///< Moves the shape to another place.
  /** First of two. */
  void turn(int degrees);
  /** Second of two. */
  void turn(double radians);
  int plain(int x);
};
}
"""
SOURCE = """
double geo::Shape::area(double scale, bool exact) const
{
  return scale * width() * height();
}
void geo::Shape::move(int x, int y)
{
  place_ = {x, y};
}
void geo::Shape::turn(int degrees)
{
  angle_ += degrees;
}
int geo::Shape::plain(int x)
{
  return x + 1;
}
"""


def test_cpp_definitions_find_what_their_declaration_documents() -> None:
    declared = dict(documented_declarations(HEADER))
    found = {f.name: declared.get(definition_key(f), "") for f in parse_functions(SOURCE, "cpp")}
    assert found["area"] == "Computes the area of the shape in square metres."
    assert found["move"] == "Moves the shape to another place."
    assert found["plain"] == ""


def test_cpp_pairs_join_header_and_source_and_skip_ambiguous_overloads(tmp_path: Path) -> None:
    folder = tmp_path / "sources" / "geo-1"
    folder.mkdir(parents=True)
    (folder / "shape.h").write_text(HEADER)
    (folder / "shape.cc").write_text(SOURCE)
    build([tmp_path / "sources"], "cpp", tmp_path / "cpp.parquet", [])
    rows = pyarrow.parquet.read_table(tmp_path / "cpp.parquet").to_pylist()
    assert {row["name"]: row["summary"] for row in rows} == {
        "area": "Computes the area of the shape in square metres.",
        "move": "Moves the shape to another place.",
    }


def test_one_corpus_holds_javascript_and_typescript(tmp_path: Path) -> None:
    folder = tmp_path / "sources" / "web-1"
    folder.mkdir(parents=True)
    code = (
        "/** Counts the open %s. */\nfunction count%s(items) {\n  return items.filter((item) => item.%s).length;\n}\n"
    )
    (folder / "a.js").write_text(code % ("doors", "Doors", "door"))
    (folder / "b.ts").write_text(code % ("windows", "Windows", "window"))
    (folder / "c.min.js").write_text(code % ("gates", "Gates", "gate"))
    report = build([tmp_path / "sources"], "javascript", tmp_path / "js.parquet", [])
    rows = pyarrow.parquet.read_table(tmp_path / "js.parquet").to_pylist()
    assert {(row["name"], row["language"]) for row in rows} == {
        ("countDoors", "javascript"),
        ("countWindows", "typescript"),
    }
    assert report.skipped["minified and declaration files"] == 1


def test_interrupted_build_takes_over_what_it_had_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one-1", "two-1"):
        (tmp_path / "sources" / name).mkdir(parents=True)
        body = f'    """Add all of the {name[:3]} values."""\n    return sum(values) + len("{name}")\n'
        text = f"def add_{name[:3]}(values):\n{body}"
        (tmp_path / "sources" / name / "code.py").write_text(text)
    output = tmp_path / "pairs.parquet"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sprig_export.corpus.build._keep", killed)
        with pytest.raises(KeyboardInterrupt):
            build([tmp_path / "sources"], "python", output, [])
    assert not output.exists()
    assert list((tmp_path / ".pairs.parquet.parts").glob("*.parquet"))
    (tmp_path / "sources" / "one-1" / "code.py").write_text("")  # seen only if the package were read again
    build([tmp_path / "sources"], "python", output, [])
    assert sorted(row["name"] for row in pyarrow.parquet.read_table(output).to_pylist()) == ["add_one", "add_two"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("language", list(SUFFIXES))
def test_committed_sources_hold_nothing_that_is_kept_for_measuring(language: str) -> None:
    sources = read_sources(Path(corpus.__file__).with_name(f"{language}_packages.toml"))
    assert sources.language == language
    assert len(sources.packages) > 50
    assert len({package.folder for package in sources.packages}) == len(sources.packages)
    assert not [p.folder for p in sources.packages if excluded(p.folder, never_train(language))]


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("deb http://mirror/debian stable main\n", "deb-src http://mirror/debian stable main\n"),
        ("Types: deb\nURIs: http://mirror\n", "Types: deb-src\nURIs: http://mirror\n"),
        ("# deb is a word here\ndeb-src http://mirror x y\n", "# deb is a word here\ndeb-src http://mirror x y\n"),
    ],
)
def test_source_packages_come_from_the_mirrors_of_the_machine(text: str, changed: str) -> None:
    assert registries._APT_OPTION.sub(lambda match: match[0] + "-src", text) == changed


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sources = tmp_path / "sources.toml"
    sources.write_text('language = "javascript"\nregistry = "npm"\npackages = ["@scope/name==1.0.0"]\n')
    with pytest.raises(InvalidInput, match="fetched with npm, which this machine does not have"):
        fetch(sources, tmp_path / "out")


def test_releases_are_fetched_into_a_folder_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "twigs-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("twigs/leaf.py", "def grow(): pass\n")
        wheel.writestr("twigs-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: twigs\nVersion: 1.0\n")
        wheel.writestr("twigs-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("twigs-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sources = tmp_path / "sources.toml"
    sources.write_text('language = "python"\nregistry = "pypi"\npackages = ["twigs==1.0", "gone==2.0"]\n')
    assert fetch(sources, Path("out")) == Fetched(1, ("gone-2.0",))
    assert (tmp_path / "out" / "twigs-1.0" / "twigs" / "leaf.py").read_text() == "def grow(): pass\n"
