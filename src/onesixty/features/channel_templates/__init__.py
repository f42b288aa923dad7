"""Templates that providers approve, kept in step with them."""

from onesixty.features.channel_templates.sync import TemplateSync

__all__ = ["TemplateSync"]
