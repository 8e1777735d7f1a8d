"""The layered cache: what is declared of each kind, and how values are had."""

from domain.cache.cache import Cache, Load
from domain.cache.changes import Changes
from domain.cache.figures import Figures
from domain.cache.kinds import Kind

__all__ = ["Cache", "Changes", "Figures", "Kind", "Load"]
