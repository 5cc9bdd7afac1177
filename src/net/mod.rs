//! Sockets: mio, rustls, names, connections; no protocols here.
