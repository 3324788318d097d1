def run(command):
    """Run a command with *args and **kwargs.

    It takes *command* and gives `code`. The options are:

    - one, which
      goes on
    - two
        - nested

    1. first
    2. second

    Columns stay:

    name    value
    one     1
    two     2

    So do trees:
    root
      branch
        leaf

    # no heading
    1986. was a year
    See https://example.org/a_b_(c) and [the docs](https://example.org/docs) or [here](../there.md).
    <b>no tag</b> & &amp; 3 * 4 * 5 _x_ __x__ ~~gone~~ [no](link)

        indented = code
        for each in indented:
            pass
    """
    return command


def signature():
    """signature(name, *rest) -> str

    Say it twice::

        signature("a")

    Usage:

    ```
    run()
    ```
    """
    return ""


def joined():
    ("Said in "
     "two *parts* of one \"text\".\n\nAnd a\tsecond \\d+ paragraph.")
    return 1


def unfenced():
    """Work like this. Of self.__dict__ only the values count:

    with opened() as door:
        door.close()

    call(
        "a",
    )
    """
    return 1
