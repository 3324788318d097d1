"""The features of the server, one module each. A module converts and dispatches, and registers itself with
`register`.
"""
