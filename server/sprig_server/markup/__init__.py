"""Documentation as its author meant it: the styles of comments and docstrings to Markdown or plain text. All of it is
pure.
"""
