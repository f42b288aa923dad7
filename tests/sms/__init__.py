"""Tests of onesixty.sms."""
