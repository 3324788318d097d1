"""Does the calibration language matter? Sub-models for every language, measured on every language."""
