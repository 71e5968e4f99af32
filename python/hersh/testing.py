"""Testing watchers without waiting: a virtual clock, and polls and channels that say what you like.

>>> from hersh.testing import Simulation
>>> sim = Simulation(seed=7)
>>> watcher = sim.watcher(name="clock")
>>> @watcher.manage
... def app(msg, ctx):
...     hour = ctx.watch_tick("hour", every=3600)
...     if hour.triggered:
...         ctx.set_value("hours", hour.value.count)
>>> watcher.start()
>>> sim.advance(24 * 3600)
>>> watcher.values["hours"]
24

With pytest the fixture ``hersh_sim`` is a fresh one for each test; ``@pytest.mark.hersh_seed(7)``
gives it another seed than 0.
"""

from ._hersh import Simulation, Trace, TraceEntry

__all__ = ["Simulation", "Trace", "TraceEntry"]
