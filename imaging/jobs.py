"""All that a worker process can be asked to do. One line more here is one job more."""

from imaging.facts import facts
from imaging.pyramid import levels
from imaging.render import render, render_level

JOBS = (render, render_level, facts, levels)
