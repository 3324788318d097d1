"""Which function a call means: by scope and owner, or nothing."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from sprig_server.code.languages import language_of_path
from sprig_server.code.parsed_source import name_of, parse_source
from sprig_server.counterparts import Target, with_documentation
from sprig_server.hover_target import find_target
from sprig_server.source_cache import FolderSources, SourceCache

Texts = dict[str, str]


def find(root: Path, files: Texts, path: str, marker: str, offset: int = 0) -> Target | None:
    """What the call means that stands at a marker of a file."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    def ending(tail: str) -> list[str]:
        return sorted(name for name in files if f"/{name}".endswith(f"/{tail}"))

    def named(name: str) -> list[Target]:
        parsed = {path: sources.source(path) for path in files}
        return [
            Target(path, d)
            for path, source in parsed.items()
            for d in (source.functions if source is not None else ())
            if d.name == name and d.kind == "function"
        ]

    language = language_of_path(path)
    assert language is not None
    source = parse_source(files[path], name_of(language), Path(path).stem)
    sources = FolderSources(SourceCache(parse_source), root, ending, {})
    sources.put(path, source)
    call = source.call_at(files[path].index(marker) + offset)
    assert call is not None
    return find_target(sources, path, call, named)


PETS = dedent("""
    import json
    from dataclasses import dataclass


    class Pet:
        def speak(self): return self.sound()
        def sound(self): return ""
        def clone(self) -> "Self": return self
        @classmethod
        def make(cls): return cls().sound()
        @staticmethod
        def count(): return 1
        @property
        def owner(self) -> "Owner": return Owner()


    class Dog(Pet):
        def speak(self): return super().speak()
        def sound(self): return "woof"


    class Cat(Pet):
        def __init__(self, friend: Dog):
            self.friend = friend
            self.toy = Toy()
        def sound(self): return self.speak()
        def play(self): return self.toy.roll()
        def meet(self): return self.friend.sound()


    class Toy:
        def roll(self): pass


    class Owner:
        def feed(self): pass


    class Text:
        def join(self, other): pass


    class Odd(Unknown):
        def go(self): self.join(1)


    def load(path): pass


    def adopt(pet: Pet, other, toys: list[Toy]):
        pet.speak(); other.sound(); "".join([]); json.load(path); toys.roll()
        dog = Dog(); dog.speak(2)
        pet.clone().sound(3); pet.owner.feed(); Pet.make(); Dog.count()
        load = print
        load(1)


    def twice(flag):
        pet = Dog() if flag else Cat()
        pet.sound(4)
        made = Dog()
        made = Toy()
        made.roll(5)
        if flag: kept = None
        kept = Toy()
        kept.roll(6)
        for toy in [Toy()]: toy.roll(7)
""")


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("self.sound()", "Pet.sound"),
        ("super().speak(", "Pet.speak"),
        ("super(", None),
        ("self.speak(", "Pet.speak"),
        ("cls(", "Pet"),
        ("cls().sound(", "Pet.sound"),
        ("self.toy.roll(", "Toy.roll"),
        ("self.friend.sound(", "Dog.sound"),
        ("pet.speak(", "Pet.speak"),
        ("other.sound(", None),
        ('"".join(', None),
        ("json.load(", None),
        ("toys.roll(", None),
        ("dog.speak(2", "Dog.speak"),
        ("pet.clone().sound(3", "Pet.sound"),
        ("pet.owner.feed(", "Owner.feed"),
        ("Pet.make(", "Pet.make"),
        ("Dog.count(", "Pet.count"),
        ("self.join(", None),
        ("load(1", None),
        ("pet.sound(4", None),
        ("made.roll(5", None),
        ("kept.roll(6", "Toy.roll"),
        ("toy.roll(7", None),
    ],
)
def test_python_by_class_and_scope(tmp_path: Path, marker: str, expected: str | None):
    found = find(tmp_path, {"pets.py": PETS}, "pets.py", marker, marker.rindex("(") - 1)
    assert (found.definition.qualified_name if found else None) == expected


PACKAGE = {
    "shop/__init__.py": "from .basket import Basket as Cart\nfrom .prices import *\n",
    "shop/basket.py": "from . import prices\n\n\nclass Basket:\n    def total(self):\n        return prices.net(1)\n",
    "shop/prices.py": "def net(x): return x\n\n\ndef json(x): return x\n",
    "tools/json.py": "def dumps(x): return x\n",
    "app.py": (
        "import json, shop, shop.prices as p\nfrom shop import Cart, net\nfrom other import Cart as Foreign\n"
        "Cart().total(); net(1); p.net(2); shop.net(3); shop.prices.net(4); shop.basket.Basket().total(5)\n"
        "json.dumps(6); Foreign().total(7); gross(8); dumps(9)\n"
    ),
}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("prices.net(1", "shop/prices.py:net"),
        ("net(1)", "shop/prices.py:net"),
        ("p.net(2", "shop/prices.py:net"),
        ("shop.net(3", "shop/prices.py:net"),
        ("shop.prices.net(4", "shop/prices.py:net"),
        ("Cart().total(", "shop/basket.py:Basket.total"),
        ("Basket().total(5", "shop/basket.py:Basket.total"),
        ("json.dumps(6", None),
        ("Foreign().total(7", None),
        ("gross(8", None),
        ("dumps(9", "tools/json.py:dumps"),
    ],
)
def test_python_by_imports(tmp_path: Path, marker: str, expected: str | None):
    path = "shop/basket.py" if marker.startswith("prices") else "app.py"
    found = find(tmp_path, PACKAGE, path, marker, marker.rindex("(") - 1)
    assert (f"{found.path}:{found.definition.qualified_name}" if found else None) == expected


SCRIPT = {
    "app.ts": """
import Shop, { Basket as Cart, net } from "./shop/index";
import * as prices from "./shop/prices.js";
import { Foreign } from "elsewhere";

class Reader { close() {} }
class Writer extends Reader {
  #lock() {}
  private cart: Cart = new Cart();
  constructor(private reader: Reader) { super(); }
  finish() { this.close(); super.close(); this.#lock(); this.cart.total(); this.reader.close(1); }
  later() { setTimeout(() => this.finish()); setTimeout(function () { this.finish(2); }); }
  pack() { return { close() { this.close(3); }, finish: () => this.finish(3) }; }
  static make() { return Writer.open(); }
  static open() { return new Writer(new Reader()); }
}
class Other { static open() { return 1; } }
const api = { load() {}, save: () => 1 };
function use(w: Writer | null, x, ws: Writer[]) {
  w.finish(4); x.close(4); ws.close(4); api.load(); api.save(); Other.open(5); Writer.make().finish(5);
  net(6); prices.net(6); new Shop().sell(); Foreign.open(6); new Cart().total(6);
  { const net = x; net(7); }
  (x as Writer).finish(8); [].join(","); gone(9);
}
""",
    "shop/index.ts": 'export { Basket } from "./basket";\nexport * from "./prices";\n'
    "export default class Shop { sell() {} }\n",
    "shop/basket.tsx": "export class Basket { total() {} }\n",
    "shop/prices.ts": "export const net = (x) => x;\nexport function join(a) {}\n",
    "old.js": 'const { twice } = require("./lib"); const lib = require("./lib"); twice(1); lib.twice(2);\n',
    "lib.js": "function twice(n) { return n; }\nmodule.exports = { twice };\n",
}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("super(", "app.ts:Reader"),
        ("this.close(", "app.ts:Reader.close"),
        ("super.close(", "app.ts:Reader.close"),
        ("this.#lock(", "app.ts:Writer.#lock"),
        ("this.cart.total(", "shop/basket.tsx:Basket.total"),
        ("this.reader.close(1", "app.ts:Reader.close"),
        ("this.finish(", "app.ts:Writer.finish"),
        ("this.finish(2", None),
        ("this.close(3", "app.ts:Writer.pack.close"),
        ("this.finish(3", "app.ts:Writer.finish"),
        ("Writer.open(", "app.ts:Writer.open"),
        ("w.finish(4", "app.ts:Writer.finish"),
        ("x.close(4", None),
        ("ws.close(4", None),
        ("api.load(", "app.ts:api.load"),
        ("api.save(", "app.ts:api.save"),
        ("Other.open(5", "app.ts:Other.open"),
        ("Writer.make().finish(5", "app.ts:Writer.finish"),
        ("net(6", "shop/prices.ts:net"),
        ("prices.net(6", "shop/prices.ts:net"),
        ("Shop().sell(", "shop/index.ts:Shop.sell"),
        ("Foreign.open(6", None),
        ("Cart().total(6", "shop/basket.tsx:Basket.total"),
        ("net(7", None),
        ("(x as Writer).finish(8", "app.ts:Writer.finish"),
        ('[].join("', None),
        ("gone(9", None),
        ("twice(1", "lib.js:twice"),
        ("lib.twice(2", "lib.js:twice"),
    ],
)
def test_scripts(tmp_path: Path, marker: str, expected: str | None):
    path = next(path for path, text in SCRIPT.items() if marker in text)
    found = find(tmp_path, SCRIPT, path, marker, marker.rindex("(") - 1)
    assert (f"{found.path}:{found.definition.qualified_name}" if found else None) == expected


JAVA = {
    "src/a/Writer.java": """
package a;

import a.io.Sink;
import static a.io.Sink.flush;
import java.util.*;

/** Writes. */
public class Writer extends Base implements Runnable {
  private final Sink sink;
  private Reader reader = new Reader();
  Writer(Sink sink) { this.sink = sink; }
  /** Makes two. */
  Writer(Sink sink, int size) { }
  void close() { this.close1(); super.shut(); shut(); sink.drain(1); this.sink.drain(2); flush(); }
  void sink() { reader.close(); }
  int add(int a) { return a; }
  int add(int a, int b) { return add(a) + add(a, b); }
  void put(int a) { put("x"); }
  void put(String a) { }
  void each(List<Reader> all, Object o) {
    for (Reader one : all) { one.close(1); }
    for (var other : all) { other.close(2); }
    if (o instanceof Reader r) { r.close(3); }
    all.forEach(x -> x.close(4));
    ((Reader) o).close(5); o.close(6);
    var made = new Reader(); made.close(7);
    Sink sink = null; sink.drain(8);
    new Reader() { void close() { close(9); } };
    Writer.open().close(10); new Writer(sink, 11); unknown(12); all.size();
  }
  static Writer open() { return null; }
  class Inner { void go() { close(); shut(13); } }
}
class Base { void shut() { } }
""",
    "src/a/Reader.java": "package a;\nclass Reader { void close() { } void close(int a) { } }\n",
    "src/a/io/Sink.java": """
package a.io;
public class Sink { public void drain(int a) { } public static void flush() { } }
""",
    "src/b/Other.java": "package b;\nclass Other { void size() { } void unknown(int a) { } }\n",
}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("super.shut(", "Base.shut()"),
        ("this.sink.drain(2", "Sink.drain(int a)"),
        ("flush()", "Sink.flush()"),
        ("reader.close(", "Reader.close()"),
        ("add(a)", "Writer.add(int a)"),
        ("add(a, b)", "Writer.add(int a, int b)"),
        ('put("x"', None),
        ("one.close(1", "Reader.close(int a)"),
        ("other.close(2", None),
        ("r.close(3", "Reader.close(int a)"),
        ("x.close(4", None),
        ("((Reader) o).close(5", "Reader.close(int a)"),
        ("o.close(6", None),
        ("made.close(7", "Reader.close(int a)"),
        ("sink.drain(8", "Sink.drain(int a)"),
        ("Writer.open().close(10", None),
        ("Writer(sink, 11", "Writer.Writer(Sink sink, int size)"),
        ("unknown(12", None),
        ("all.size(", None),
        ("close(); shut(13", "Writer.close()"),
        ("shut(13", None),
    ],
)
def test_java(tmp_path: Path, marker: str, expected: str | None):
    before = marker.split(";")[0]
    found = find(tmp_path, JAVA, "src/a/Writer.java", marker, before.rindex("(") - 1)
    shown = found and f"{found.definition.qualified_name}({found.definition.signature.partition('(')[2]}"
    assert (shown or None) == expected


CPP = {
    "door.hpp": """
#pragma once
#include <string>
namespace house {
class Lock { public: void turn(int by); };
class Door : public Thing {
 public:
  /// Opens the door unless it is locked.
  void open();
  /** Closes it softly. */
  static bool shut(int force, int times = 1);
  void lock() { lock_.turn(1); }
 private:
  Lock lock_;
};
}
/// Counts the doors of a house.
int count_doors(const House& h);
""",
    "door.cpp": """
#include "door.hpp"

namespace house {
void Door::open() { this->lock(); lock_.turn(2); shut(3); lock(); gone(); }
bool Door::shut(int force, int times) { return force < 3; }
void Lock::turn(int by) { }
}
int count_doors(const House& h) { return h.doors.size(); }
static int twice(int a) { return a; }
static int twice(int a, int b) { return a; }
struct Reader { void close() { } };
struct Writer { void close() { } void done() { this->close(); Writer::close(); close(); } };

int use(house::Door& d, House& h, Writer* w, Reader r[]) {
  d.open(); house::Door::shut(4); count_doors(h); twice(5); twice(5, 6); twice(5, 6, 7);
  w->close(); r.close(1); std::string().close(); auto made = Reader(); made.close(); Reader close2; close2.close();
  using namespace house; Door::shut(8); unknown(9);
  return h.open();
}
""",
    "other.cpp": "void unknown(int a) { }\nvoid open() { }\n",
}


@pytest.mark.parametrize(
    ("marker", "expected", "documentation"),
    [
        ("this->lock(", "door.hpp:house::Door::lock", ""),
        ("lock_.turn(2", "door.cpp:house::Lock::turn", ""),
        ("shut(3", "door.cpp:house::Door::shut", "Closes it softly."),
        ("lock(); gone", "door.hpp:house::Door::lock", ""),
        ("gone(", None, ""),
        ("d.open(", "door.cpp:house::Door::open", "Opens the door unless it is locked."),
        ("house::Door::shut(4", "door.cpp:house::Door::shut", "Closes it softly."),
        ("count_doors(h);", "door.cpp:count_doors", "Counts the doors of a house."),
        ("twice(5)", "door.cpp:twice", ""),
        ("twice(5, 6)", "door.cpp:twice", ""),
        ("twice(5, 6, 7)", None, ""),
        ("this->close(", "door.cpp:Writer::close", ""),
        ("Writer::close(", "door.cpp:Writer::close", ""),
        ("close(); }", "door.cpp:Writer::close", ""),
        ("w->close(", "door.cpp:Writer::close", ""),
        ("r.close(1", None, ""),
        ("std::string().close(", None, ""),
        ("made.close(", "door.cpp:Reader::close", ""),
        ("close2.close(", "door.cpp:Reader::close", ""),
        ("Door::shut(8", "door.cpp:house::Door::shut", "Closes it softly."),
        ("unknown(9", None, ""),
        ("h.open(", None, ""),
    ],
)
def test_cpp(tmp_path: Path, marker: str, expected: str | None, documentation: str):
    name = marker.split("(")[0]
    found = find(tmp_path, CPP, "door.cpp", marker, len(name) - 1)
    assert (f"{found.path}:{found.definition.qualified_name}" if found else None) == expected
    assert found is None or found.definition.documentation == documentation


@pytest.mark.parametrize(
    ("files", "path", "name", "documentation"),
    [
        (CPP, "door.cpp", "house::Door::open", "Opens the door unless it is locked."),
        (CPP, "door.cpp", "count_doors", "Counts the doors of a house."),
        (CPP, "door.cpp", "use", ""),
        (
            {"f.ts": "/** Formats it. */\nfunction f(d: Date): string;\nfunction f(d: any) { return 1; }\n"},
            "f.ts",
            "f",
            "Formats it.",
        ),
    ],
)
def test_a_definition_has_the_documentation_of_its_declaration(
    tmp_path: Path, files: Texts, path: str, name: str, documentation: str
):
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    sources = FolderSources(SourceCache(parse_source), tmp_path, lambda tail: [tail] if tail in files else [], {})
    source = sources.source(path)
    assert source is not None
    function = next(f for f in source.functions if f.qualified_name == name)
    assert with_documentation(sources, Target(path, function)).definition.documentation == documentation


def test_what_is_only_declared_has_its_documentation(tmp_path: Path):
    text = "interface Store {\n  /** Saves the item. */\n  int save(String item);\n}\n"
    text += 'class User { int go(Store s) { return s.save("x"); } }\n'
    found = find(tmp_path, {"Store.java": text}, "Store.java", "s.save(", 5)
    assert found is not None
    assert (found.definition.qualified_name, found.definition.signature) == ("Store.save", "int save(String item)")
    assert found.definition.documentation == "Saves the item."
