"""KerasGraph -> keras.Model: layers, execution, float64, saving."""
