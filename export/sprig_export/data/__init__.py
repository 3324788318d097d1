"""The code and sentences that models are calibrated and measured on."""
