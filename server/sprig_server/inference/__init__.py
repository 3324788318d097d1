"""Running bundles with onnxruntime, numpy and tokenizers. No other package imports onnxruntime; torch is not needed."""
