"""The stage on which simulated providers play: sockets, time, scenarios, faults, callbacks."""

from onesixty.simulator.http.stage.playing import PERFECT, Stage, Statistics

__all__ = ["PERFECT", "Stage", "Statistics"]
