//! Metrics, probes, histograms, the status page.
