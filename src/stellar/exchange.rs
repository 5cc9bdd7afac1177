//! The exchange arithmetic of the protocol (`src/transactions/OfferExchange.cpp`).
