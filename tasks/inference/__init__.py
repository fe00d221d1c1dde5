"""The ONNX scorer and the prediction log; it may import core, and neither Prefect, MLflow, DVC nor scikit-learn."""
