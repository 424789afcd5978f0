"""What the page shows beside the facts of a report: the conversion itself, and its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras

from torch2keras.conversion.record import Conversion
from torch2keras.errors import Torch2KerasError
from torch2keras.reporting.manifest import describe_model
from torch2keras.verification.results import Verification
from torch2keras.verification.value_errors import ValueErrors, measure_values


@dataclass(frozen=True)
class Evidence:
    """One conversion as it stands."""

    conversion: Conversion
    layers: Mapping[str, keras.Layer]
    verification: Verification | None
    write_code: Callable[[], str]
    """Gives the model as code, each function below the class that it was made of."""

    def describe(self) -> Mapping[str, object]:
        """Return the versions, the class and the ports, as a saved model has them."""
        return describe_model(self.conversion, self.verification)

    def measure(self) -> list[ValueErrors]:
        """Return how far each value is off on the example; none where the model was not verified.

        None either where PyTorch cannot run the graph op by op.
        """
        if self.verification is None:
            return []
        try:
            return measure_values(self.conversion, lambda call: self.layers[call.name])
        except (NotImplementedError, Torch2KerasError):
            return []
