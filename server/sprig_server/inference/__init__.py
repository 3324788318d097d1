"""Running bundles: the only importer of onnxruntime. numpy and `tokenizers` around it; no torch, no transformers."""
