"""Layers of torch.nn as they are written, with odd options; sizes are primes where they can be."""

from __future__ import annotations

import re

CONVOLUTIONS = """
    nn.Conv1d(3, 7, 5)
    nn.Conv1d(3, 16, 5, stride=2, padding=2)
    nn.Conv1d(1, 16, 64, stride=8)
    nn.Conv1d(3, 7, 5, padding="same", dilation=3, bias=False)
    nn.Conv1d(6, 10, 3, groups=2, stride=3)
    nn.Conv1d(5, 10, 3, groups=5, padding=1)
    nn.Conv1d(3, 7, 5, padding=2, padding_mode="circular")
    nn.Conv1d(3, 7, 5, padding=2, padding_mode="reflect", stride=2)
    nn.Conv2d(3, 7, (3, 5), stride=(2, 3), padding=(1, 2))
    nn.Conv2d(3, 7, 3, dilation=(1, 2), padding=(0, 2), bias=False)
    nn.Conv2d(6, 10, 3, groups=2, padding=1)
    nn.Conv2d(5, 5, 3, groups=5, stride=2, padding=1)
    nn.Conv2d(5, 10, (3, 5), groups=5, stride=(1, 2), dilation=(2, 1))
    nn.Conv2d(3, 7, 3, padding=1, padding_mode="replicate")
    nn.Conv3d(3, 5, (3, 1, 2), stride=(1, 2, 1), padding=(1, 0, 0))
    nn.Conv3d(2, 4, 3, groups=2, padding=1)
    nn.ConvTranspose1d(3, 7, 5, stride=2, padding=1)
    nn.ConvTranspose1d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
    nn.ConvTranspose1d(3, 7, 3, dilation=2, bias=False)
    nn.ConvTranspose2d(3, 7, (3, 2), stride=2, padding=(1, 0))
    nn.ConvTranspose2d(4, 6, 3, groups=2, stride=(2, 3), output_padding=(1, 2))
    nn.ConvTranspose3d(2, 3, 3, stride=2, padding=1)
"""

POOLING = """
    nn.MaxPool1d(3)
    nn.MaxPool1d(5, stride=2, padding=2)
    nn.MaxPool1d(3, stride=1, dilation=2)
    nn.MaxPool1d(3, stride=2, ceil_mode=True)
    nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0))
    nn.MaxPool2d(3, stride=2, padding=1, return_indices=True)
    nn.MaxPool3d(2, stride=(1, 2, 2))
    nn.AvgPool1d(5, stride=3)
    nn.AvgPool1d(3, stride=2, padding=1, count_include_pad=False)
    nn.AvgPool2d(3, stride=2, padding=1)
    nn.AvgPool2d((2, 3), ceil_mode=True, divisor_override=5)
    nn.AvgPool3d(2)
    nn.LPPool1d(2, 3, stride=2)
    nn.LPPool2d(3, (2, 3))
    nn.LPPool3d(2, 2)
    nn.AdaptiveAvgPool1d(1)
    nn.AdaptiveAvgPool1d(7)
    nn.AdaptiveAvgPool2d((5, None))
    nn.AdaptiveAvgPool3d(1)
    nn.AdaptiveMaxPool1d(3)
    nn.AdaptiveMaxPool2d((5, 7))
    nn.AdaptiveMaxPool3d(1)
    nn.MaxUnpool1d(2)
    nn.MaxUnpool2d(2)
    nn.MaxUnpool3d(2)
"""

PADDING = """
    nn.ZeroPad1d((2, 3))
    nn.ZeroPad2d((1, 2, 3, 0))
    nn.ZeroPad3d(1)
    nn.ConstantPad1d((1, 2), -3.5)
    nn.ConstantPad2d((1, -2, 3, 0), 2.5)
    nn.ConstantPad3d(1, 0.5)
    nn.ReflectionPad1d((3, 2))
    nn.ReflectionPad2d((1, 2, 3, 0))
    nn.ReflectionPad3d(1)
    nn.ReplicationPad1d((3, 2))
    nn.ReplicationPad2d(2)
    nn.ReplicationPad3d(1)
    nn.CircularPad1d((3, 2))
    nn.CircularPad2d((1, 2, 3, 0))
    nn.CircularPad3d(1)
"""

NORMALIZATION = """
    nn.BatchNorm1d(7)
    nn.BatchNorm1d(7, eps=1e-3, momentum=0.3, affine=False)
    nn.BatchNorm2d(7, momentum=None)
    nn.BatchNorm2d(5, track_running_stats=False)
    nn.BatchNorm3d(5)
    nn.SyncBatchNorm(7)
    nn.InstanceNorm1d(7)
    nn.InstanceNorm1d(7, affine=True, track_running_stats=True)
    nn.InstanceNorm2d(5, affine=True)
    nn.InstanceNorm3d(5)
    nn.GroupNorm(3, 6)
    nn.GroupNorm(1, 7, affine=False)
    nn.LayerNorm(7)
    nn.LayerNorm((5, 7), eps=1e-3, bias=False)
    nn.LayerNorm(7, elementwise_affine=False)
    nn.RMSNorm(7)
    nn.RMSNorm((5, 7), eps=1e-3)
    nn.LocalResponseNorm(3, alpha=0.01, beta=0.5, k=2.0)
"""

ACTIVATIONS = """
    nn.ReLU()
    nn.ReLU6()
    nn.LeakyReLU(0.2)
    nn.PReLU()
    nn.PReLU(7)
    nn.RReLU(0.1, 0.3)
    nn.ELU(0.7)
    nn.CELU(0.7)
    nn.SELU()
    nn.GELU()
    nn.GELU(approximate="tanh")
    nn.SiLU()
    nn.Mish()
    nn.Sigmoid()
    nn.LogSigmoid()
    nn.Tanh()
    nn.Tanhshrink()
    nn.Softplus(beta=2, threshold=5)
    nn.Softsign()
    nn.Softshrink(0.3)
    nn.Hardshrink(0.3)
    nn.Hardtanh(-0.5, 0.7)
    nn.Hardsigmoid()
    nn.Hardswish()
    nn.Threshold(0.1, 20.0)
    nn.GLU(dim=1)
    nn.Softmax(dim=1)
    nn.Softmax2d()
    nn.LogSoftmax(dim=-1)
    nn.Softmin(dim=1)
    nn.Identity()
    nn.Dropout(0.3)
    nn.Dropout1d(0.3)
    nn.Dropout2d(0.3)
    nn.Dropout3d(0.3)
    nn.AlphaDropout(0.3)
    nn.FeatureAlphaDropout(0.3)
"""

LINEAR = """
    nn.Linear(7, 5)
    nn.Linear(7, 5, bias=False)
    nn.Bilinear(3, 5, 7)
    nn.Bilinear(3, 5, 7, bias=False)
    nn.Embedding(11, 3)
    nn.Embedding(11, 3, padding_idx=2)
    nn.EmbeddingBag(11, 3, mode="sum")
    nn.EmbeddingBag(11, 3, mode="mean")
    nn.CosineSimilarity(dim=1)
    nn.PairwiseDistance(p=1.5, keepdim=True)
"""

RECURRENT = """
    nn.RNN(3, 5, batch_first=True)
    nn.RNN(3, 5, nonlinearity="relu", num_layers=2)
    nn.LSTM(3, 5)
    nn.LSTM(3, 5, batch_first=True, bidirectional=True)
    nn.LSTM(3, 5, num_layers=2, bias=False, batch_first=True)
    nn.LSTM(3, 5, num_layers=2, bidirectional=True, dropout=0.2)
    nn.GRU(3, 5, batch_first=True)
    nn.GRU(3, 5, bidirectional=True)
    nn.GRU(3, 5, num_layers=2, bias=False)
    nn.RNNCell(3, 5)
    nn.LSTMCell(3, 5)
    nn.GRUCell(3, 5)
"""

ATTENTION = """
    nn.MultiheadAttention(6, 2)
    nn.MultiheadAttention(6, 3, batch_first=True, bias=False)
    nn.MultiheadAttention(6, 2, kdim=5, vdim=7, batch_first=True)
    nn.MultiheadAttention(6, 2, add_bias_kv=True, add_zero_attn=True)
    nn.TransformerEncoderLayer(6, 2, 11, batch_first=True)
    nn.TransformerEncoderLayer(6, 3, 11, activation="gelu", norm_first=True)
    nn.TransformerDecoderLayer(6, 2, 11, batch_first=True)
    nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 11, batch_first=True), 2)
    nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 11), 2)
    nn.Transformer(6, 2, 1, 1, 11, batch_first=True)
"""

SHAPES = """
    nn.PixelShuffle(2)
    nn.PixelUnshuffle(2)
    nn.ChannelShuffle(3)
    nn.Upsample(scale_factor=2)
    nn.Upsample(scale_factor=3, mode="linear")
    nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    nn.Upsample(size=(7, 11), mode="bicubic")
    nn.UpsamplingNearest2d(scale_factor=3)
    nn.UpsamplingBilinear2d(size=(7, 11))
    nn.Flatten()
    nn.Flatten(2)
    nn.Unflatten(1, (3, 4))
    nn.Unfold((3, 2), padding=1, stride=2)
    nn.Fold((7, 11), (3, 2), padding=1, stride=2)
"""

LOSSES = """
    nn.MSELoss()
    nn.L1Loss(reduction="sum")
    nn.SmoothL1Loss(beta=0.5)
    nn.HuberLoss(delta=0.7)
    nn.BCELoss()
    nn.BCEWithLogitsLoss()
    nn.KLDivLoss(reduction="batchmean")
    nn.PoissonNLLLoss()
    nn.SoftMarginLoss()
    nn.CrossEntropyLoss(label_smoothing=0.1)
    nn.NLLLoss()
"""

GROUPS = (
    CONVOLUTIONS,
    POOLING,
    PADDING,
    NORMALIZATION,
    ACTIVATIONS,
    LINEAR,
    RECURRENT,
    ATTENTION,
    SHAPES,
    LOSSES,
)

LAYERS = tuple(line.strip() for line in "".join(GROUPS).split("\n") if line)
"""Each layer's text."""

STACKS = tuple(
    text for text in LAYERS if re.match(r"nn\.(Transformer|Multihead|LSTM|GRU|RNN)", text)
)
"""Layers of many layers, which take seconds each."""

STACKS_AT_EACH_CHANGE = (
    "nn.LSTM(3, 5, num_layers=2, bidirectional=True, dropout=0.2)",
    "nn.GRU(3, 5, bidirectional=True)",
    "nn.MultiheadAttention(6, 2)",
    'nn.TransformerEncoderLayer(6, 3, 11, activation="gelu", norm_first=True)',
    "nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 11), 2)",
)
"""Those of them that are tried at each change all the same."""

REFUSED = (
    "nn.CrossMapLRN2d(3)",
    "nn.Embedding(11, 3, max_norm=0.5)",
    "nn.FractionalMaxPool2d(3, output_ratio=0.5)",
    "nn.LSTM(3, 5, batch_first=True, proj_size=2)",
    "nn.MultiheadAttention(5, 2)",
    "nn.GroupNorm(0, 4)",
)
"""Layers that cannot be explained, or not be constructed."""
