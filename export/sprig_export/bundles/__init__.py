"""Bundles as the server reads them: graphs, interface, manifest."""
