"""What a name stands for where it is not called: in definitions, imports, types, tags, and as a value."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from sprig_server.code.languages import language_of_path
from sprig_server.code.parsed_source import name_of, parse_source
from sprig_server.counterparts import Target, with_documentation
from sprig_server.hover_content import name_at
from sprig_server.hover_target import find_reference, find_target
from sprig_server.source_cache import FolderSources, SourceCache

Texts = dict[str, str]


def find(root: Path, files: Texts, marker: str) -> Target | None:
    """What the name stands for at the place of "^" in a marker, which is in one of the files without it."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    before, _, after = marker.partition("^")
    path = next(path for path, text in files.items() if before + after in text)
    language = language_of_path(path)
    assert language is not None
    source = parse_source(files[path], name_of(language), Path(path).stem)
    sources = FolderSources(
        SourceCache(parse_source), root, lambda tail: sorted(n for n in files if f"/{n}".endswith(f"/{tail}")), {}
    )
    sources.put(path, source)
    name = name_at(source, files[path].index(before + after) + len(before))
    if name is None:
        return None
    if name.definition is not None:
        return with_documentation(sources, Target(path, name.definition))
    if name.call is not None:
        return find_target(sources, path, name.call, lambda name: [])
    return find_reference(sources, path, name.reference) if name.reference is not None else None


def check(root: Path, files: Texts, marker: str, expected: str | None):
    """`expected` is the qualified name and, after a colon, the documentation."""
    found = find(root, files, marker)
    assert (f"{found.definition.qualified_name}: {found.definition.documentation}" if found else None) == expected


PYTHON = {
    "app.py": dedent('''
        from pets import Cat, adopt as take, MOST, cached, Unused
        import pets
        from . import gone
        import json

        #: The shop's
        #: name.
        NAME = "shop"
        LEAST = 1  #: Fewer are none.
        """Not this."""
        PLAIN = 3
        feed = take


        @cached
        class Shop(Cat, metaclass=pets.Meta):
            """Sells pets."""

            #: Cats in stock.
            stock: list[Cat] = []

            def __init__(self, load=take):
                self.owner = None
                """Who owns it."""

            def open(self, first: Cat, take: "Cat") -> Cat:
                """Opens."""
                print(first, take, self.stock, self.owner, self.open, Shop.stock, NAME, LEAST, PLAIN)
                try: map(feed, [json.load])
                except pets.Hungry: isinstance(first, Cat)
                match first:
                    case Cat(owner=1): pass
                    case MOST: print(MOST, 1)
                return lambda MOST: (MOST, pets.MOST, pets.adopt, pets.Cat, dict(stock=MOST))
    '''),
    "pets.py": dedent('''
        """Pets."""


        class Cat:
            """Purrs."""


        class Meta(type):
            pass


        class Hungry(Exception):
            """Wants food."""


        def adopt(pet):
            """Takes a pet home."""


        def cached(f):
            """Remembers."""


        MOST = 10
        """How many fit."""
    '''),
}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("import ^Cat", "Cat: Purrs."),
        ("Ca^t, adopt", "Cat: Purrs."),
        ("^adopt as take", "adopt: Takes a pet home."),
        ("adopt as ^take", "adopt: Takes a pet home."),
        ("from ^pets import Cat", None),
        ("import ^pets\n", None),
        (", ^MOST, cached", "MOST: How many fit."),
        (", ^Unused", None),
        ("import ^gone", None),
        ("^NAME = ", "NAME: The shop's\nname."),
        ("^LEAST = ", "LEAST: Fewer are none."),
        ("^PLAIN = ", None),
        ("^feed = take", "adopt: Takes a pet home."),
        ("@^cached", "cached: Remembers."),
        ("class ^Shop", "Shop: Sells pets."),
        ("(^Cat, metaclass", "Cat: Purrs."),
        ("^metaclass", None),
        ("pets.^Meta", "Meta: "),
        ("^stock: list", "Shop.stock: Cats in stock."),
        ("list[^Cat]", "Cat: Purrs."),
        ("^list[Cat]", None),
        ("load=^take", "adopt: Takes a pet home."),
        ("self.^owner = None", "Shop.owner: Who owns it."),
        ("^first: Cat", None),
        ("first: ^Cat", "Cat: Purrs."),
        ('"^Cat"', None),
        ("-> ^Cat", "Cat: Purrs."),
        ("print(^first", None),
        ("print(first, ^take", None),
        ("self.^stock", "Shop.stock: Cats in stock."),
        ("self.^owner, ", "Shop.owner: Who owns it."),
        ("^self.open", None),
        ("self.^open,", "Shop.open: Opens."),
        ("^Shop.stock", "Shop: Sells pets."),
        ("Shop.^stock", "Shop.stock: Cats in stock."),
        ("Shop.stock, ^NAME", "NAME: The shop's\nname."),
        ("NAME, ^LEAST", "LEAST: Fewer are none."),
        ("LEAST, ^PLAIN", None),
        ("map(^feed", "adopt: Takes a pet home."),
        ("json.^load", None),
        ("pets.^Hungry", "Hungry: Wants food."),
        ("^pets.Hungry", None),
        ("isinstance(first, ^Cat", "Cat: Purrs."),
        ("case ^Cat", "Cat: Purrs."),
        ("Cat(^owner", None),
        ("case ^MOST", None),
        ("print(^MOST, 1", None),
        ("lambda ^MOST", None),
        (": (^MOST", None),
        ("pets.^MOST", "MOST: How many fit."),
        ("pets.^adopt", "adopt: Takes a pet home."),
        ("pets.^Cat", "Cat: Purrs."),
        ("dict(^stock=MOST", None),
        ("^return", None),
        ('"""^Opens', None),
    ],
)
def test_python(tmp_path: Path, marker: str, expected: str | None):
    check(tmp_path, PYTHON, marker, expected)


SCRIPT = {
    "app.tsx": """
import Shop, { Basket as Cart, net, type Price, LIMIT } from "./shop";
import * as shop from "./shop";
export { net as gross } from "./shop";

/** How often it is tried. */
export const TRIES = 3;
const [left, right] = [1, 2];
/** Colours. */
enum Color {
  Red,
  /** Like the sea. */
  Blue = 2,
}
/** Shows a button. */
function Button(props: Props) { return <div />; }
class Writer<net> extends Shop implements Price {
  /** What was bought. */
  private cart: Cart | null = null;
  /** Saves it. */
  save = () => 1;
  Cart = 3;
  go(x: Cart, f: (net: Price) => void, net) {
    [this.save, this.cart, shop.net, TRIES, LIMIT, Color.Blue, Color, net, x.total];
    return <Button on={this.go}><shop.Panel /><Writer.Inner></Writer.Inner></Button>;
  }
  pay(n: net): n is Price { return n instanceof Cart && { net: TRIES, Cart, net } && typeof gone; }
}
""",
    "shop.ts": """
/** Sells. */
export default class Shop { }
/** Holds goods. */
export class Basket { total() { return 1; } }
/** Without taxes. */
export function net(x: number) { return x; }
/** What it costs. */
export interface Price { }
/** Shows goods. */
export const Panel = () => null;
// The most that fits.
export const LIMIT = 10;
""",
}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("import ^Shop", "Shop: Sells."),
        ("{ ^Basket as", "Basket: Holds goods."),
        ("as ^Cart, net", "Basket: Holds goods."),
        ("type ^Price", "Price: What it costs."),
        ("Price, ^LIMIT", "LIMIT: The most that fits."),
        ("as ^shop from", None),
        ("{ ^net as gross", "net: Without taxes."),
        ("const ^TRIES", "TRIES: How often it is tried."),
        ("[^left", None),
        ("enum ^Color", "Color: Colours."),
        ("  ^Red", None),
        ("  ^Blue", "Color.Blue: Like the sea."),
        ("function ^Button", "Button: Shows a button."),
        ("extends ^Shop", "Shop: Sells."),
        ("implements ^Price", "Price: What it costs."),
        ("private ^cart", "Writer.cart: What was bought."),
        (": ^Cart | null", "Basket: Holds goods."),
        ("(x: ^Cart", "Basket: Holds goods."),
        ("(^net: Price)", None),
        ("net: ^Price)", "Price: What it costs."),
        ("[this.^save", "Writer.save: Saves it."),
        ("this.^cart, ", "Writer.cart: What was bought."),
        ("shop.^net", "net: Without taxes."),
        ("shop.net, ^TRIES", "TRIES: How often it is tried."),
        ("TRIES, ^LIMIT", "LIMIT: The most that fits."),
        ("Color.^Blue", "Color.Blue: Like the sea."),
        (", ^Color,", "Color: Colours."),
        ("Color, ^net", None),
        ("x.^total", "Basket.total: "),
        ("<^Button", "Button: Shows a button."),
        ("</^Button", "Button: Shows a button."),
        ("^on={", None),
        ("{this.^go", "Writer.go: "),
        ("<shop.^Panel", "Panel: Shows goods."),
        ("<^Writer.Inner", "Writer: "),
        ("<Writer.^Inner", None),
        ("<^div", None),
        ("(n: ^net", None),
        ("is ^Price", "Price: What it costs."),
        ("instanceof ^Cart", "Basket: Holds goods."),
        ("{ ^net: TRIES", None),
        ("TRIES, ^Cart,", "Basket: Holds goods."),
        ("typeof ^gone", None),
    ],
)
def test_scripts(tmp_path: Path, marker: str, expected: str | None):
    check(tmp_path, SCRIPT, marker, expected)


JAVA = {
    "src/a/Writer.java": """
package a;

import a.io.Sink;
import static a.io.Sink.LIMIT;
import static a.io.Sink.flush;

@Loud(level = Sink.LIMIT)
public class Writer<Sealed> extends Base implements Runnable {
  /** How many. */
  private static final int MOST = 3;
  int plain;
  /** Goes. */
  void go(Sink Base, Object o) throws Bad {
    run(this::go, Sink::drain, Sink::flush, Base::go, String::trim, Base.new::x);
    use(MOST, plain, LIMIT, Sink.LIMIT, Color.RED, this.MOST, Base.class, Sealed.class);
    if (o instanceof Sink) { Sink s = (Sink) o; }
    level: for (;;) { break level; }
  }
  /** Colours. */
  enum Color {
    /** Like blood. */
    RED, BLUE }
}
/** Below all. */
class Base { }
/** Not good. */
class Bad extends Exception { }
/** Hidden. */
class Sealed { }
/** Cries. */
@interface Loud { int level(); }
""",
    "src/a/io/Sink.java": """
package a.io;
/** Takes all. */
public class Sink {
  /** The most. */
  public static final int LIMIT = 1;
  /** Empties it. */
  public static void flush() { }
  /** Drains it. */
  public void drain(int a) { }
  /** Drains all. */
  public void drain() { }
}
""",
}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("import a.io.^Sink;", "Sink: Takes all."),
        ("import a.^io.Sink;", None),
        ("Sink.^LIMIT;", "Sink.LIMIT: The most."),
        ("Sink.^flush;", "Sink.flush: Empties it."),
        ("@^Loud", "Loud: Cries."),
        ("(^level =", None),
        ("= Sink.^LIMIT)", "Sink.LIMIT: The most."),
        ("public class ^Writer", "Writer: "),
        ("extends ^Base", "Base: Below all."),
        ("implements ^Runnable", None),
        ("int ^MOST", "Writer.MOST: How many."),
        ("int ^plain", None),
        ("go(^Sink", "Sink: Takes all."),
        ("throws ^Bad", "Bad: Not good."),
        ("this::^go", "Writer.go: Goes."),
        ("Sink::^drain", None),
        ("Sink::^flush", "Sink.flush: Empties it."),
        ("^Sink::flush", "Sink: Takes all."),
        ("Base::^go", None),
        ("String::^trim", None),
        ("use(^MOST", "Writer.MOST: How many."),
        ("use(MOST, ^plain", None),
        ("plain, ^LIMIT", "Sink.LIMIT: The most."),
        ("LIMIT, Sink.^LIMIT", "Sink.LIMIT: The most."),
        ("Color.^RED", "Writer.Color.RED: Like blood."),
        ("^Color.RED", "Writer.Color: Colours."),
        ("this.^MOST", "Writer.MOST: How many."),
        ("^Base.class", None),
        ("^Sealed.class", None),
        ("instanceof ^Sink", "Sink: Takes all."),
        ("(^Sink) o", "Sink: Takes all."),
        ("^level: for", None),
        ("break ^level", None),
        ("enum ^Color", "Writer.Color: Colours."),
        ("^RED, BLUE", "Writer.Color.RED: Like blood."),
        ("class ^Bad", "Bad: Not good."),
    ],
)
def test_java(tmp_path: Path, marker: str, expected: str | None):
    check(tmp_path, JAVA, marker, expected)


CPP = {
    "door.hpp": """
namespace house {
/// Keeps thieves out.
class Lock { public: void turn(int by); };
/// A door.
class Door {
 public:
  /// Opens it.
  void open();
  int width;   ///< In metres.
  int height;
  /// How it is painted.
  enum class Paint { Red, /**< Like fire. */ Blue };
};
/// The most.
const int LIMIT = 3;
/// What opens.
using Key = Lock;
}
/// Counts.
int count(const house::Door& d);
int twice(int a);
int twice(int a, int b);
""",
    "door.cpp": """
#include "door.hpp"
/// A wall.
struct Wall : public house::Lock { Wall() : stone(1) {} int stone; };
void house::Door::open() { width = height; }
int use(house::Door& d, house::Key k, int count, struct Wall* w) {
  run(&house::Door::open, &twice, &house::Lock::turn, house::LIMIT, d.width, count);
  using house::LIMIT; house::Door::Paint p = house::Door::Paint::Red; go(d.height, LIMIT);
  throw Wall{}; label: goto label;
}
int other() { run(count); }
/// A link.
struct Chain { explicit Chain(int a) {} Chain* next; void tie(Chain* c); };
struct Pair { int left() { return sum; } explicit Pair(int left) : sum(left) {} int sum; };
template <class T> struct Ring { struct Node; };
/// In a ring.
template <class T> struct Ring<T>::Node { explicit Node(int a) {} Node* after; };
""",
}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("class ^Lock", "house::Lock: Keeps thieves out."),
        ("void ^turn(int by);", "house::Lock::turn: "),
        ("void ^open();", "house::Door::open: Opens it."),
        ("int ^width;", "house::Door::width: In metres."),
        ("int ^height;", None),
        ("enum class ^Paint", "house::Door::Paint: How it is painted."),
        ("{ ^Red, /**", "house::Door::Paint::Red: Like fire."),
        ("const int ^LIMIT", "house::LIMIT: The most."),
        ("using ^Key", "house::Key: What opens."),
        ("int ^count(const", "count: Counts."),
        ("struct ^Wall :", "Wall: A wall."),
        ("house::^Lock {", "house::Lock: Keeps thieves out."),
        (": ^stone(1)", None),
        ("void house::^Door::open", "house::Door: A door."),
        ("void house::Door::^open", "house::Door::open: Opens it."),
        ("{ ^width =", "house::Door::width: In metres."),
        ("use(house::^Door&", "house::Door: A door."),
        ("^house::Door& d, house", None),
        ("house::^Key k", "house::Key: What opens."),
        ("struct ^Wall*", "Wall: A wall."),
        ("&house::Door::^open", "house::Door::open: Opens it."),
        ("&house::^Door::open", "house::Door: A door."),
        ("&^twice", None),
        ("&house::Lock::^turn", "house::Lock::turn: "),
        ("house::^LIMIT, d", "house::LIMIT: The most."),
        ("d.^width", "house::Door::width: In metres."),
        ("d.width, ^count", None),
        ("house::Door::Paint::^Red", "house::Door::Paint::Red: Like fire."),
        ("house::Door::^Paint p", "house::Door::Paint: How it is painted."),
        ("d.height, ^LIMIT)", "house::LIMIT: The most."),
        ("throw ^Wall", "Wall: A wall."),
        ("^label:", None),
        ("run(^count)", "count: Counts."),
        ("^Chain* next", "Chain: A link."),
        ("tie(^Chain* c)", "Chain: A link."),
        ("sum(^left)", None),
        ("^Node* after", "Ring<T>::Node: In a ring."),
    ],
)
def test_cpp(tmp_path: Path, marker: str, expected: str | None):
    check(tmp_path, CPP, marker, expected)


STUBS = {
    "shop/__init__.py": "from .prices import net\n",
    "shop/prices.py": 'def net(x):\n    return x * 2\n\n\ndef gross(x):\n    """With taxes."""\n    return x\n',
    "shop/prices.pyi": 'def net(x: int) -> int:\n    """Without taxes."""\n    ...\n\ndef gross(x: int) -> int: ...\n',
    "shop/fast.pyi": 'def sum_up(x: int) -> int:\n    """Adds."""\n',
    "app.py": "from shop import net\nfrom shop.fast import sum_up\nnet(1)\nuse(net, sum_up)\n",
}


@pytest.mark.parametrize(
    ("marker", "expected", "path"),
    [
        ("^net(1)", "net: Without taxes.", "shop/prices.py"),
        ("use(^net", "net: Without taxes.", "shop/prices.py"),
        ("def ^net(x):", "net: Without taxes.", "shop/prices.py"),
        ("def ^net(x: int)", "net: Without taxes.", "shop/prices.py"),
        ("def ^gross(x: int)", "gross: With taxes.", "shop/prices.py"),
        ("net, ^sum_up)", "sum_up: Adds.", "shop/fast.pyi"),
    ],
)
def test_stubs(tmp_path: Path, marker: str, expected: str, path: str):
    check(tmp_path, STUBS, marker, expected)
    found = find(tmp_path, STUBS, marker)
    assert found is not None
    assert found.path == path
