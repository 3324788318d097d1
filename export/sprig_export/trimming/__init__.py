"""Which tokens of a function a model can do without: learnt, chosen and measured."""
