"""What is taken out of a model: so far, the part of its vocabulary that a language does not need."""
