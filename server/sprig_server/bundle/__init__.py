"""The contract between exporter and server: a folder of hashed data files with a manifest. Nothing here downloads."""
