key: Callable = lambda pair: pair[0]
chosen = (lambda: 1) if fast else (lambda: 22)
bound = partial(lambda a, b: a, key=lambda: 2)
operators = {"add": lambda a, b: a + b}


class Box:
    area = property(lambda self: (("no documentation", 1)))

    def __init__(self):
        self.run = lambda: 1
        ordered = sorted(self.items, key=lambda item: item.name)
        first, second = lambda: 1, lambda: 2


if True:

    def under_if():
        def nested():
            return 1

        return nested


try:

    @register("name", option=1)
    def decorated(): ...

except ImportError:
    pass
