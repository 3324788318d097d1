"""The sub-commands of `sprig`, one module each. A module is imported only when its command is run."""
