"""Making bundles: graphs, interface, manifest."""
