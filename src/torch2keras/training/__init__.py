"""PyTorch's optimizers, schedules and losses for Keras.

Importing this package makes the classes known to Keras: a model saved with an optimizer, schedule
or loss of ours loads, with its training state, after `import torch2keras.training`.
"""

from torch2keras.training import adaptive_formulas as adaptive_formulas
from torch2keras.training import averaging_formulas as averaging_formulas
from torch2keras.training import gradient_descent as gradient_descent
