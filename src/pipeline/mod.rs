//! Cores, rings, wait strategies, clocks, latency stamps, placement: the only place that starts hot threads.
