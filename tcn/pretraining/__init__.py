"""Pretraining on synthetic series: the prior, and the run that makes a zero-shot model."""

from tcn.pretraining.run import PretrainConfig, pretrain

__all__ = ["PretrainConfig", "pretrain"]
