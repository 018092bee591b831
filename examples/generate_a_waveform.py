"""A WaveNet learns two tones from their waveforms and writes either, sample by sample."""

import numpy as np

from tcn.models.waveform import WaveformConfig, WaveformSet
from tcn.training.waveforms import WaveformTrainConfig, fit_waveforms

time = np.arange(600)
low, high = (0.9 * np.sin(2 * np.pi * time / period) for period in (20, 8))
waveforms = WaveformSet.from_arrays([low, high], constant=np.eye(2))  # which tone: one of two

generator = fit_waveforms(
    waveforms,
    WaveformConfig(
        output="logistic",  # a mixture of logistics over 64 levels
        n_levels=64,
        n_components=2,
        mu=None,
        channels=12,
        skip_channels=16,
        dilations=(1, 2, 4, 8),
        constant_channels=2,
    ),
    WaveformTrainConfig(steps=150, batch_size=4, window_length=64, learning_rate=1e-2),
)
print(f"{generator.bits_per_sample(waveforms):.1f} bits a sample, 6 without a model")

for name, tone, known in (("low", [1, 0], low), ("high", [0, 1], high)):
    written = generator.generate(160, prefix=known[:32], temperature=0.5, constant=tone)[0]
    peak = np.argmax(np.abs(np.fft.rfft(written * np.hanning(160))))
    print(f"{name}: a period of {160 / peak:.1f} samples")
