"""Training on waveforms, what it learns, and generators on the disk."""

import numpy as np
import pytest
import torch
from waveforms.small_generators import CONFIGS, generator_of

from tcn.checkpoint import load, load_generator, save_generator
from tcn.errors import CheckpointError, ConfigError, DataError
from tcn.layers import dilation_cycles
from tcn.models.waveform import WaveformConfig, WaveformSet
from tcn.training.waveforms import WaveformBatches, WaveformTrainConfig, fit_waveforms

TONES = (8, 20)  # samples of a period
SMALL = WaveformConfig(
    "logistic",
    n_levels=64,
    n_components=2,
    mu=None,
    channels=12,
    skip_channels=16,
    dilations=(1, 2, 4, 8),
    constant_channels=2,
)
QUICK = WaveformTrainConfig(
    steps=100, batch_size=4, window_length=64, learning_rate=1e-2, evaluate_every=50, average=0.9
)


def tones(length=400):
    time = np.arange(length)
    waves = [0.9 * np.sin(2 * np.pi * time / period) for period in TONES]
    return WaveformSet.from_arrays(waves, constant=np.eye(2))


@pytest.fixture(scope="module")
def trained():
    return fit_waveforms(tones(), SMALL, QUICK)


def test_a_trained_network_needs_fewer_bits_than_levels_have(trained):
    assert trained.bits_per_sample(tones()) < 0.5 * np.log2(64)
    assert trained.manifest["validation_bits"] < 0.5 * np.log2(64)
    assert trained.manifest["steps"] == 100


@pytest.mark.parametrize("tone", [0, 1])
def test_the_condition_says_which_tone_is_written(trained, tone):
    start = tones().samples[tone][:32]
    wave = trained.generate(160, prefix=start, temperature=0.0, constant=np.eye(2)[tone])[0]
    strength = np.abs(np.fft.rfft(wave * np.hanning(160)))
    assert 160 / np.argmax(strength) == pytest.approx(TONES[tone], rel=0.15)


@pytest.mark.parametrize("output", ["categorical", "gaussian"])
def test_other_outputs_learn_too(output):
    config = WaveformConfig(
        output,
        n_levels=32,
        mu=None,
        channels=8,
        skip_channels=8,
        n_components=2,
        dilations=(1, 2, 4),
    )
    wave = 0.8 * np.sin(np.arange(300) / 2.0)
    waveforms = WaveformSet.from_arrays([wave])
    first = fit_waveforms(waveforms, config, WaveformTrainConfig(steps=0))
    last = fit_waveforms(waveforms, config, WaveformTrainConfig(**{**vars(QUICK), "steps": 120}))
    assert last.bits_per_sample(waveforms) < first.bits_per_sample(waveforms) - 1.0


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path):
    whole = fit_waveforms(tones(), SMALL, WaveformTrainConfig(**{**vars(QUICK), "steps": 6}))

    class StopError(Exception):
        pass

    def stop(entry):
        raise StopError

    settings = WaveformTrainConfig(**{**vars(QUICK), "steps": 6})
    with pytest.raises(StopError):
        fit_waveforms(tones(), SMALL, settings, directory=tmp_path, progress=stop)
    resumed = fit_waveforms(tones(), SMALL, settings, directory=tmp_path)
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_only_targets_whose_whole_past_is_in_the_window_count():
    config = WaveformConfig(dilations=(1, 2, 4), channels=4, skip_channels=4, mu=None)
    wave = np.linspace(-1, 1, 101)
    settings = WaveformTrainConfig(batch_size=64, window_length=10)
    batch = WaveformBatches(WaveformSet.from_arrays([wave]), config, settings)(0)
    seen = 0
    for row in range(64):
        counted = batch.target[row][batch.counts[row] > 0]
        assert 1 <= len(counted) <= 10
        begins = float(batch.x[row, 0, 0]) == 0.0 and float(batch.target[row, 0]) == -1.0
        n_before = int((batch.counts[row] > 0).nonzero()[0])
        assert begins or n_before == config.receptive_field - 1
        inputs = batch.x[row, 0, 1:]
        length = n_before + len(counted)
        assert torch.equal(inputs[: length - 1], batch.target[row, : length - 1])
        seen += begins
    assert 0 < seen < 64


def test_batches_depend_on_seed_and_step_alone():
    batches = WaveformBatches(tones(), SMALL, QUICK)
    later = batches(7)
    batches(3)
    assert torch.equal(batches(7).x, later.x)
    assert not torch.equal(batches(8).x, later.x)


@pytest.mark.parametrize("name", ["gaussian", "conditioned"])
def test_a_saved_generator_writes_the_same(name, tmp_path):
    generator = generator_of(name, torch.float32)
    save_generator(generator, tmp_path / "voice")
    loaded = load_generator(tmp_path / "voice")
    assert loaded.config == CONFIGS[name]
    told = {"constant": [1.0, 2.0], "steps": np.ones((3, 20))} if name == "conditioned" else {}
    np.testing.assert_array_equal(loaded.generate(20, **told), generator.generate(20, **told))


def test_a_generator_is_no_forecaster(tmp_path):
    save_generator(generator_of("gaussian", torch.float32), tmp_path / "voice")
    with pytest.raises(CheckpointError, match=r"kind 'waveform', which does not forecast series"):
        load(tmp_path / "voice")
    with pytest.raises(CheckpointError, match=r"kind 'tcn', which writes no waveforms\.$"):
        load_generator("tcn/weights/zero")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output": "softmax"}, r"^output must be one of 'categorical', 'logistic', 'gaussian'"),
        ({"n_levels": 1}, r"^n_levels must be a whole number from 2 to 65,536, got 1\.$"),
        ({"mu": 0.0}, r"^mu must be a number from 0\.001"),
        ({"dilations": ()}, r"^dilations must list 1 to 64 numbers, got \(\)\.$"),
        ({"dilations": dilation_cycles(16, cycles=4), "kernel_size": 9}, "receptive field must be"),
    ],
)
def test_configs_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        WaveformConfig(**change)


@pytest.mark.parametrize(
    ("samples", "told", "message"),
    [
        ([], {}, r"^There are no waveforms\. Give at least one\.$"),
        ([[0.0, 2.0]], {}, r"^Waveform 0 has samples from 0 to 2; .* Divide by the largest\.$"),
        ([[0.0, np.nan]], {}, r"^Waveform 0 has samples .* must be finite"),
        ([[]], {}, r"^Waveform 0 must be a row of samples, got the shape \(0,\)\.$"),
        ([[0.1]], {"constant": [1.0]}, r"one row for each of the 1 waveforms, got .* \(1,\)\.$"),
        ([[0.1]], {"steps": []}, r"^There are 1 waveforms, but steps for 0\.$"),
        ([[0.1]], {"steps": [[[1.0, 2.0]]]}, r"must have the shape \(1, 1\), got \(1, 2\)\.$"),
    ],
)
def test_waveforms_that_do_not_fit_are_refused(samples, told, message):
    with pytest.raises(DataError, match=message):
        WaveformSet.from_arrays(samples, **told)


def test_conditions_and_config_must_agree():
    plain = WaveformSet.from_arrays([np.zeros(50)])
    with pytest.raises(ConfigError, match=r"0 constant and 0 step channels, .* 2 and 0\."):
        fit_waveforms(plain, SMALL, QUICK)


def test_too_short_waveforms_are_refused():
    short = WaveformSet.from_arrays([[0.1, 0.2]], constant=[[1.0, 0.0]])
    with pytest.raises(DataError, match=r"have 2 samples in all, too few .* hold back 0\.1 of\."):
        fit_waveforms(short, SMALL, QUICK)
