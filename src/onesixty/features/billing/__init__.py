"""Settling of what messages cost: holds become charges or releases, ended messages become usage."""
