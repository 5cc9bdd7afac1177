//! Stage 3: from book, account and reference price to the quotes that should stand.
