"""Does the language that a model is calibrated on matter? Sub-models of every language, measured on every language."""
