"""A `.tflite` file in fewer bits: calibrated, quantised in two ways, measured, the better kept."""
