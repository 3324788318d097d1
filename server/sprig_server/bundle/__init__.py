"""The contract between exporter and server: a folder of hashed data files and a manifest. Nothing here downloads."""
