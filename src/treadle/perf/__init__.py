"""How busy the loop is, and how late. Source: https://nodejs.org/api/perf_hooks.html.

Times are ms, those of a histogram ns, as in Node. Not here: the counters they are read from (_native.counters), every callback
with its time (treadle.trace).
"""

from treadle.perf.clock import now, time_origin
from treadle.perf.delay import IntervalHistogram, monitor_event_loop_delay
from treadle.perf.utilization import EventLoopUtilization, event_loop_utilization

__all__ = [
    "EventLoopUtilization",
    "IntervalHistogram",
    "event_loop_utilization",
    "monitor_event_loop_delay",
    "now",
    "time_origin",
]
