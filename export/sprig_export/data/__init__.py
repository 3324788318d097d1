"""The code and the sentences that models are calibrated and measured on."""
