"""Where training pairs come from: packages by name and version, mined for documented functions."""
