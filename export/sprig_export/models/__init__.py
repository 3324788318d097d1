"""Models on disk and in memory: folders, hubs, GGUF files, families of architectures."""
