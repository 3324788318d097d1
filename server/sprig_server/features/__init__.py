"""What the server offers: one module each, which converts and dispatches and registers itself with `register`."""
