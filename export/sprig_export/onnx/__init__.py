"""From PyTorch to ONNX files that ONNX Runtime serves: convert, quantize, validate."""
