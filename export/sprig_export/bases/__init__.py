"""Training of base models: by contrast, from documentation, by distillation, by adapters."""
