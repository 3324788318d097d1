def complete(a):
    """Still fine."""
    return a


def condition(x):
    if x >


def attribute(x):
    return x.


def assignment(x):
    y =


def no_body(x):


def open_call(x):
    with open(
    pass


class Half:
    def method(self):
        self.

    def following(self):
        return 2


def (x):
    return x


@decorated(
def after_open_decorator():
    return 3


def last():
    return 4
