"""How well carriers deliver, by country: counted, judged with hysteresis, told to the router."""

from onesixty.messages.quality.counting import Counter
from onesixty.messages.quality.feedback import feedback, forget, standings
from onesixty.messages.quality.judging import Options
from onesixty.messages.quality.keeper import QualityKeeper

__all__ = ["Counter", "Options", "QualityKeeper", "feedback", "forget", "standings"]
