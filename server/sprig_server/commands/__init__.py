"""The sub-commands of `sprig`: one module each, imported only when it is run."""
