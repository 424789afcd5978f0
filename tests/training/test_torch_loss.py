"""What all losses by PyTorch's formulas have in common."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from torch2keras.training.loss_table import ModelOutput, make_loss


def test_weights_of_samples_are_refused():
    made = make_loss(nn.MSELoss(reduction="sum"), ModelOutput())
    with pytest.raises(ValueError, match="no weights of samples"):
        made(np.zeros((2, 3)), np.ones((2, 3)), sample_weight=np.ones(2))
