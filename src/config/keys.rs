//! Every key there is, with what it means: the one place from which files are checked, defaults are taken, and the
//! example is printed.

use core::fmt::Write as _;

/// What a key's value is written as in TOML. In an environment variable all are plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A number, or a string where its digits matter; read from its digits, never through a float of TOML's.
    Decimal,
    /// `true` or `false`.
    Flag,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It must; the key's value is an example.
    Required,
    /// It need not, and then nothing stands in for it; the key's value is an example.
    Optional,
    /// The same, but most want it: the example has it.
    Shown,
    /// It need not, and then the key's value stands.
    Default,
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) need: Need,
    /// Default or example, as TOML.
    pub(super) value: &'static str,
    /// Environment variables that set it.
    pub(super) variables: &'static [&'static str],
    /// What it means: units, range.
    pub(super) doc: &'static str,
}

/// How often a table may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Often {
    /// Once, or not at all: its keys say whether they need be there.
    Once,
    /// As often as wanted: `[[exchange]]`. The example has it commented out.
    AnyNumber,
    /// As often as wanted, and once at least: `[[market]]`.
    AtLeastOnce,
}

/// A table of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name with those of the tables around it: `market.strategy`. The file itself is the empty one.
    pub(super) path: &'static str,
    pub(super) often: Often,
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
}

const fn key(name: &'static str, kind: Kind, need: Need, value: &'static str, doc: &'static str) -> Key {
    Key { name, kind, need, value, variables: &[], doc }
}

impl Key {
    const fn or(self, variables: &'static [&'static str]) -> Self {
        Self { variables, ..self }
    }

    /// Its value without the quotes of TOML.
    pub(super) fn plain_value(&self) -> &'static str {
        self.value.trim_matches('"')
    }
}

use Kind::{Decimal, Flag, Integer, Text};
use Need::{Default, Optional, Required, Shown};
use Often::{AnyNumber, AtLeastOnce, Once};

/// All sections, in the order in which they are printed.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        path: "",
        often: Once,
        doc: "A variable of the environment, where one is named, goes before the file. Times are written 500ms, 30s or 5m.",
        keys: &[
            key(
                "network",
                Text,
                Required,
                "\"TESTNET\"",
                "MAINNET, TESTNET, FUTURENET, STANDALONE, or the passphrase of another network.",
            )
            .or(&["STELLAR_NETWORK"]),
            key(
                "trading_enabled",
                Flag,
                Default,
                "false",
                "Unless true, everything runs but no quote reaches the ledger.",
            )
            .or(&["TRADING_ENABLED"]),
            key(
                "starts_whole_at",
                Integer,
                Optional,
                "2",
                "Only on a network of one's own: if the stream begins at this ledger or an earlier one, nothing came before \
                 it, and the books are whole without a snapshot.",
            ),
        ],
    },
    Section {
        path: "core",
        often: Once,
        doc: "The stellar-core that ledgers are read from and transactions are sent to.",
        keys: &[
            key(
                "meta_stream",
                Text,
                Shown,
                "\"pipe:/run/stellar-core/meta.pipe\"",
                "Where its METADATA_OUTPUT_STREAM is read: pipe:/path, unix:/path, tcp://host:port, or fd:N for a pipe that \
                 was inherited as this descriptor. Without it ledgers come from [rpc]; with both, whoever is first is heard.",
            )
            .or(&["CORE_META_STREAM"]),
            key(
                "http",
                Text,
                Required,
                "\"http://127.0.0.1:11626\"",
                "Its command port: http://host:port.",
            )
            .or(&["CORE_HTTP_URL"]),
            key(
                "connections",
                Integer,
                Default,
                "4",
                "Connections kept open to the command port, each of which carries one transaction: 1 to 16.",
            ),
            key("late_after", Text, Default, "\"30s\"", "Quotes are taken down when no ledger has come for so long."),
        ],
    },
    Section {
        path: "rpc",
        often: Once,
        doc: "Stellar RPC, to read ledgers from (getLedgers). The endpoints race: the first to have the next ledger is heard.",
        keys: &[
            key(
                "url",
                Text,
                Optional,
                "\"https://rpc.example.org/\"",
                "http://host:port/path or https://host:port/path; without it RPC is not asked.",
            )
            .or(&["SOROBAN_RPC_URL"]),
            key("backup_url", Text, Optional, "\"https://rpc.example.net/\"", "Another, which is asked at the same time.")
                .or(&["BACKUP_SOROBAN_URL"]),
            key(
                "ca_file",
                Text,
                Optional,
                "\"/etc/ssl/certs/rpc.pem\"",
                "For https: the certificates to trust, in PEM, instead of the system's.",
            ),
            key(
                "least_interval",
                Text,
                Default,
                "\"100ms\"",
                "The least time between two requests to an endpoint; when to ask is learned from when ledgers close.",
            ),
            key("answer_timeout", Text, Default, "\"5s\"", "How long an answer is waited for."),
        ],
    },
    Section {
        path: "horizon",
        often: Once,
        doc: "Horizon, to ask for what was on the ledger before its stream began, and to compare the books with: offers, pools \
              and accounts.",
        keys: &[
            key(
                "url",
                Text,
                Optional,
                "\"https://horizon.stellar.org/\"",
                "http://host:port/path or https://host:port/path; without it nothing is quoted on a network that is older \
                 than its stream.",
            )
            .or(&["HORIZON_URL"]),
            key(
                "backup_url",
                Text,
                Optional,
                "\"https://horizon.example.org/\"",
                "Another, which is asked while the first one fails.",
            )
            .or(&["BACKUP_HORIZON_URL"]),
            key(
                "ca_file",
                Text,
                Optional,
                "\"/etc/ssl/certs/horizon.pem\"",
                "For https: the certificates to trust, in PEM, instead of the system's.",
            ),
            key("check_every", Text, Default, "\"60s\"", "How often each market's offers are compared, as the budget allows."),
            key(
                "requests_per_hour",
                Integer,
                Default,
                "3000",
                "Requests that may be made in an hour, 60 to 1000000; public servers allow 3600 an address.",
            ),
            key("answer_timeout", Text, Default, "\"10s\"", "How long an answer is waited for."),
            key("return_after", Text, Default, "\"5m\"", "How long the backup is asked before the first one is tried again."),
            key(
                "streams",
                Text,
                Default,
                "\"none\"",
                "What is heard of Horizon as it happens: none, all, or some of order_book, trades, accounts with commas between. \
                 order_book makes the market's own best bid and ask (ours among them) a price, for expressions: \
                 exchange(horizon, XLM/USDC:G...); trades add the last price; accounts are checked against the ledgers. A server counts \
                 each stream as a request a ledger, 720 an hour: all together may take half of requests_per_hour.",
            ),
            key(
                "stream_silence",
                Text,
                Default,
                "\"65s\"",
                "A stream on which not one byte came for so long is opened anew. Horizon says nothing while nothing changes, \
                 and ends every stream after 55s.",
            ),
        ],
    },
    Section {
        path: "reference",
        often: Once,
        doc: "The reference price: Kraken's ticker (WebSocket API v2), or a server that speaks like it.",
        keys: &[
            key("url", Text, Shown, "\"wss://ws.kraken.com/v2\"", "ws://host:port/path or wss://host:port/path."),
            key(
                "ca_file",
                Text,
                Optional,
                "\"/etc/ssl/certs/exchange.pem\"",
                "For wss: the certificates to trust, in PEM, instead of the system's.",
            ),
            key("stale_after", Text, Default, "\"5s\"", "A price older than this is not used, and quotes on it go."),
            key(
                "silent_after",
                Text,
                Default,
                "\"5s\"",
                "A connection on which nothing came for so long, not even a heartbeat, is opened anew.",
            ),
        ],
    },
    Section {
        path: "exchange",
        often: AnyNumber,
        doc: "More reference prices, for the expressions of markets: exchange(name, symbol).",
        keys: &[
            key("name", Text, Required, "\"binance\"", "How expressions call it: letters, digits, - and _; not reference."),
            key(
                "kind",
                Text,
                Required,
                "\"binance\"",
                "kraken, coinbase, binance (best prices), binance_depth (whole books), or coingecko.",
            ),
            key(
                "url",
                Text,
                Required,
                "\"wss://stream.binance.com:9443/stream\"",
                "wss://… or ws://…; for coingecko https://… or http://….",
            ),
            key(
                "rest_url",
                Text,
                Optional,
                "\"https://api.binance.com/\"",
                "For binance_depth, which wants it: where the books' snapshots are asked for.",
            ),
            key(
                "ca_file",
                Text,
                Optional,
                "\"/etc/ssl/certs/exchange.pem\"",
                "For wss and https: the certificates to trust, in PEM, instead of the system's.",
            ),
            key(
                "api_key_file",
                Text,
                Optional,
                "\"/run/secrets/coingecko\"",
                "For coingecko: a file with the key; others must not be able to read it.",
            )
            .or(&["COINGECKO_API_KEY_FILE"]),
            key("stale_after", Text, Default, "\"5s\"", "A price older than this is not used, unless the expression says so."),
            key("silent_after", Text, Default, "\"5s\"", "A connection on which nothing came for so long is opened anew."),
            key("every", Text, Default, "\"60s\"", "For coingecko: how often it is asked."),
        ],
    },
    Section {
        path: "account",
        often: Once,
        doc: "The account that trades. Its secret key is given in exactly one way: this key, STELLAR_SECRET_KEY_FILE (a file \
              as well), or STELLAR_SECRET_KEY (the key itself).",
        keys: &[
            key(
                "secret_key_file",
                Text,
                Optional,
                "\"/run/secrets/stellar/stellar-secret-key\"",
                "A file that holds the secret key, S…. Others must not be able to read it; its group may only if the file \
                 is owned by another user than the one this process runs as, as mounted secrets are.",
            )
            .or(&["STELLAR_SECRET_KEY_FILE", "STELLAR_SECRET_KEY"]),
            key(
                "signer",
                Text,
                Default,
                "\"stock\"",
                "stock, or precomputed: signatures with nonces made ahead, a twentieth of the time. Not on a machine that is \
                 ever snapshotted and run again: two runs that hold the same nonces give the key away.",
            ),
        ],
    },
    Section {
        path: "book",
        often: Once,
        doc: "The order books.",
        keys: &[key(
            "max_offers",
            Integer,
            Default,
            "65536",
            "Offers that the books of all markets hold together, 1 to 16777216; with more, they are no longer whole.",
        )],
    },
    Section {
        path: "execution",
        often: Once,
        doc: "How transactions are made and sent.",
        keys: &[
            key(
                "fee_per_operation",
                Integer,
                Default,
                "100",
                "The most that is offered for an operation, stroops, 100 to 10000000; the network's base fee if that is more.",
            ),
            key(
                "validity_ledgers",
                Integer,
                Default,
                "1",
                "In how many ledgers after the last closed one a transaction may apply: 1 to 100.",
            ),
            key("answer_timeout", Text, Default, "\"2s\"", "How long the command port's answer is waited for."),
            key(
                "retry_after",
                Text,
                Default,
                "\"50ms\"",
                "How long after a lost connection, or an answer to try again later, the same bytes are sent again.",
            ),
            key("max_attempts", Integer, Default, "10", "How often the same bytes are sent at most: 1 to 1000."),
            key(
                "amount_tolerance_bp",
                Integer,
                Default,
                "100",
                "An offer whose amount differs by less stays as it is; basis points of the wanted amount, 0 to 10000.",
            ),
        ],
    },
    Section {
        path: "placement",
        often: Once,
        doc: "Which cores the stages run on.",
        keys: &[key(
            "plan",
            Text,
            Default,
            "\"auto\"",
            "auto, fused, split, or a core a stage as in feed=2,book=3,strategy=3,execution=4; then, if wanted, wait=spin, \
             wait=yield or wait=park.",
        )],
    },
    Section {
        path: "observe",
        often: Once,
        doc: "The status page, metrics and probes.",
        keys: &[key(
            "listen",
            Text,
            Default,
            "\"127.0.0.1:8000\"",
            "Address and port; port 0 takes any free one. The variables set one part each.",
        )
        .or(&["METRICS_HOST", "METRICS_PORT"])],
    },
    Section {
        path: "flight",
        often: Once,
        doc: "The flight recorder: keeps the last inputs, so that an incident can be replayed. No secret goes into it.",
        keys: &[
            key(
                "folder",
                Text,
                Optional,
                "\"/var/lib/stellar-connector/flight\"",
                "Where it keeps them, in two files that it makes with mode 0600; without it nothing is recorded.",
            ),
            key("segment_mib", Integer, Default, "64", "The most MiB of each of the two files: 1 to 4096."),
        ],
    },
    Section {
        path: "log",
        often: Once,
        doc: "The log, on standard error.",
        keys: &[
            key("level", Text, Default, "\"INFO\"", "ERROR, WARN, INFO, DEBUG or TRACE.").or(&["LOG_LEVEL"]),
            key("format", Text, Default, "\"text\"", "text or json.").or(&["LOG_FORMAT"]),
        ],
    },
    Section {
        path: "market",
        often: AtLeastOnce,
        doc: "A market to make, with what is quoted there; as many as wanted.",
        keys: &[
            key("base", Text, Required, "\"XLM\"", "What is bought and sold: XLM, or CODE:ISSUER."),
            key(
                "quote",
                Text,
                Required,
                "\"USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN\"",
                "What it is paid in.",
            ),
            key(
                "reference",
                Text,
                Required,
                "\"XLM/USD\"",
                "The price that is quoted around: a symbol of the exchange of [reference], or an expression of numbers, \
                 exchange(name, symbol), sdex(base, quote), invert, times, max, min and median. What of an exchange: mid, bid, \
                 ask, last or micro; of a market of this file, without our own offers: those, pool, or vwap=amount of base. \
                 stale=2s: how old it may be. If any input is too old, or missing, nothing is quoted. As in \
                 \"median(XLM/USD, exchange(binance, XLMUSDT, micro, stale=2s), sdex(XLM, USDC:G..., vwap=5000))\".",
            ),
        ],
    },
    Section {
        path: "market.strategy",
        often: Once,
        doc: "What is quoted.",
        keys: &[
            key("kind", Text, Default, "\"pure_market_making\"", "pure_market_making: quotes around the reference's middle."),
            key("bid_spread_bp", Decimal, Required, "10", "From the middle down to the first bid, basis points; more than 0."),
            key("ask_spread_bp", Decimal, Required, "10", "From the middle up to the first ask, basis points; more than 0."),
            key("order_amount", Decimal, Required, "200", "Base a quote; more than 0."),
            key("order_levels", Integer, Default, "1", "Quotes a side: 1 to 16."),
            key("level_spread_bp", Decimal, Default, "0", "From each level to the next, basis points; 0 or more."),
            key(
                "refresh_tolerance_bp",
                Decimal,
                Default,
                "2",
                "Quotes follow when the middle has moved by more than this, basis points; 0 or more.",
            ),
        ],
    },
    Section {
        path: "market.limits",
        often: Once,
        doc: "What no quote may pass, whatever the strategy wants.",
        keys: &[
            key("max_order_amount", Decimal, Required, "1000", "The most base that one quote may offer."),
            key("max_side_amount", Decimal, Required, "5000", "The most base that all quotes of a side may offer together."),
            key(
                "min_price",
                Decimal,
                Optional,
                "\"0.01\"",
                "No quote below this price, units of quote for one base: a decimal, or an exact fraction as in \"1/3\".",
            ),
            key("max_price", Decimal, Optional, "\"10\"", "No quote above this price."),
        ],
    },
];

/// The section at `path`, which must be one of the table.
pub(super) fn section(path: &str) -> &'static Section {
    match SECTIONS.iter().find(|section| section.path == path) {
        Some(section) => section,
        None => unreachable!("no section {path}"),
    }
}

impl Section {
    /// Whether there may be more than one: `[[market]]`.
    pub(super) fn is_many(&self) -> bool {
        self.often != Once
    }

    /// The key of this name, which must be one of the table.
    pub(super) fn key(&self, name: &str) -> &'static Key {
        match self.keys.iter().find(|key| key.name == name) {
            Some(key) => key,
            None => unreachable!("no key {name} in [{}]", self.path),
        }
    }

    /// The tables within this one: their names, and what they are.
    pub(super) fn children(&self) -> impl Iterator<Item = (&'static str, &'static Section)> {
        let own = self.path;
        SECTIONS.iter().filter_map(move |section| {
            let name = match own {
                "" => section.path,
                own => section.path.strip_prefix(own)?.strip_prefix('.')?,
            };
            (!name.is_empty() && !name.contains('.')).then_some((name, section))
        })
    }
}

/// Every variable of the environment that sets something.
pub(super) fn variables() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().flat_map(|section| section.keys).flat_map(|key| key.variables.iter().copied())
}

/// What to tell someone who wrote a key that is none: the nearest of its section, unless one of another section is nearer.
pub(super) fn hint(section: &Section, unknown: &str) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(name, unknown);
    let own = section.keys.iter().map(|key| key.name).chain(section.children().map(|(name, _)| name));
    let nearest = own.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    let (alike, nearest) = nearest.unwrap_or((0.0, "another"));
    let all =
        SECTIONS.iter().flat_map(|other| other.keys.iter().map(move |key| (likeness(key.name), key.name, other.path)));
    let elsewhere = all.filter(|(other_alike, ..)| *other_alike > alike.max(0.9)).max_by(|a, b| a.0.total_cmp(&b.0));
    match elsewhere {
        Some((_, name, "")) => format!("did you mean {name}? It belongs at the top, before the first [section]"),
        Some((_, name, path)) => format!("did you mean {name}? It belongs in [{path}]"),
        None => format!("did you mean {nearest}?"),
    }
}

/// The longest line of a comment in the example, bytes.
const COMMENT_WIDTH: usize = 110;

/// A configuration file with every key and what it means. Keys that need not be there and have no default are
/// commented out (`#key`, without a space), and so are tables that most do without.
#[must_use]
pub fn example() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let gap = if section.path.is_empty() { "" } else { "\n" };
        text.push_str(gap);
        comment(&mut text, section.doc);
        let off = if section.often == AnyNumber { "#" } else { "" };
        match (section.path, section.often) {
            ("", _) => text.push('\n'),
            (path, Once) => line(&mut text, &format!("[{path}]")),
            (path, AnyNumber | AtLeastOnce) => line(&mut text, &format!("{off}[[{path}]]")),
        }
        for key in section.keys {
            match key.variables {
                [] => comment(&mut text, key.doc),
                variables => comment(&mut text, &format!("{} ({})", key.doc, variables.join(", "))),
            }
            let off = if key.need == Optional { "#" } else { off };
            line(&mut text, &format!("{off}{} = {}", key.name, key.value));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}

fn comment(text: &mut String, words: &str) {
    let mut current = String::from("#");
    for word in words.split_whitespace() {
        if current.len() + word.len() >= COMMENT_WIDTH {
            line(text, &current);
            current = String::from("#");
        }
        current.push(' ');
        current.push_str(word);
    }
    line(text, &current);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_or_variable_has_two_meanings() {
        let mut variables: Vec<_> = variables().collect();
        let count = variables.len();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!(variables.len(), count);
        for section in SECTIONS {
            let mut names: Vec<_> = section.keys.iter().map(|key| key.name).collect();
            names.extend(section.children().map(|(name, _)| name));
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "[{}]", section.path);
        }
    }

    #[test]
    fn a_wrong_name_is_answered_by_the_nearest_or_by_where_it_belongs() {
        assert_eq!(hint(section("core"), "meta_steam"), "did you mean meta_stream?");
        assert_eq!(hint(section(""), "netwrok"), "did you mean network?");
        assert_eq!(hint(section(""), "markets"), "did you mean market?");
        assert_eq!(
            hint(section("market"), "order_levels"),
            "did you mean order_levels? It belongs in [market.strategy]"
        );
        assert_eq!(
            hint(section("core"), "network"),
            "did you mean network? It belongs at the top, before the first [section]"
        );
        assert_eq!(hint(section(""), "fee_per_operaton"), "did you mean fee_per_operation? It belongs in [execution]");
    }
}
